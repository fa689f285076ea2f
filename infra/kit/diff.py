"""Diff: old inputs against new inputs, field by field, pure.

Old inputs suffice for drift too, because Read returns the inputs that the cloud really has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.kit.mark import HIDDEN
from infra.kit.model import Change, Meta, Model, Shape, Spec, specs
from infra.kit.wire import Path, Secret, Tree, plain, show_path, to_wire

ADD, ADD_REPLACE, DELETE, DELETE_REPLACE, UPDATE, UPDATE_REPLACE = range(6)


@dataclass(frozen=True)
class Difference:
    """One place that differs. `kind` is Pulumi's PropertyDiff.Kind, `silent` needs no call to the cloud, `unread` is a field
    that the cloud does not have."""

    path: Path
    kind: int
    change: Change
    silent: bool = False
    unread: bool = False

    @property
    def text(self) -> str:
        return show_path(self.path)


def diff(model: type[Model], olds: Tree, news: Tree, ignored: tuple[str, ...] = ()) -> list[Difference]:
    """Every place where the new inputs differ from the old ones. Trees may hold secrets and unknowns.

    Of an imported object nobody knows what the cloud does not return: there the program is believed.
    """
    imported = HIDDEN in news and HIDDEN not in olds
    if imported:
        unknown = {spec.wire for spec in specs(model) if spec.meta.write_only and spec.wire not in olds}
        news = {key: value for key, value in news.items() if key not in unknown}
    found = _fields(model, olds, news, (), Meta())
    return [item for item in found if not _is_ignored(item.path, ignored) and not (imported and item.unread)]


def with_choices(model: type[Model], olds: Tree, outputs: Tree) -> Tree:
    """Old inputs with what the cloud chose where they left it open: declaring just that is no difference."""
    chosen = {
        spec.wire: outputs[spec.wire]
        for spec in specs(model)
        if spec.meta.server_default and olds.get(spec.wire) is None and outputs.get(spec.wire) is not None
    }
    return {**olds, **chosen}


def _fields(model: type[Model], olds: Tree, news: Tree, at: Path, outer: Meta) -> Iterator[Difference]:
    for spec in specs(model):
        old, new = olds.get(spec.wire), news.get(spec.wire)
        if new is None and spec.meta.server_default:
            continue
        yield from _values(
            spec.shape, *_with_default(spec, old, new), (*at, spec.wire), _inherit(outer, spec.meta)
        )


def _values(shape: Shape, old: Any, new: Any, at: Path, meta: Meta) -> Iterator[Difference]:
    if isinstance(old, Secret) or isinstance(new, Secret):
        bare_old, bare_new = _unwrap(old), _unwrap(new)
        if _same(shape, plain(bare_old), plain(bare_new)):
            # A value that became secret is rewritten in the state, without a call to the cloud.
            if isinstance(new, Secret) and _shows(old):
                yield Difference(at, UPDATE, Change.UPDATE, silent=True)
            return
        yield from _values(shape, bare_old, bare_new, at, meta)
        return
    if old is None and new is None:
        return
    if old is None or new is None:
        yield _difference(at, ADD if old is None else DELETE, meta)
        return
    if shape.kind == "model" and shape.model is not None and isinstance(old, dict) and isinstance(new, dict):
        yield from _fields(shape.model, old, new, at, meta)
        return
    item = shape.item or Shape("leaf")
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _values(item, old.get(key), new.get(key), (*at, key), meta)
        return
    if isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            a = old[index] if index < len(old) else None
            b = new[index] if index < len(new) else None
            yield from _values(item, a, b, (*at, index), meta)
        return
    if old != new or isinstance(old, bool) != isinstance(new, bool):
        yield _difference(at, UPDATE, meta)


def _difference(at: Path, kind: int, meta: Meta) -> Difference:
    return Difference(
        at, kind + 1 if meta.change.replaces else kind, meta.change, silent=meta.ignore, unread=meta.ignore
    )


def _with_default(spec: Spec, old: Any, new: Any) -> tuple[Any, Any]:
    """What a state does not say (imported, or older than the field) is the default."""
    if old is None and new is not None and not spec.required and spec.default is not None:
        return to_wire(spec.default), new
    return old, new


def _inherit(outer: Meta, inner: Meta) -> Meta:
    """A nested field changes at least what the field around it changes."""
    if (outer.change.replaces and not inner.change.replaces) or outer.ignore:
        return outer
    return inner


def _same(shape: Shape, old: Any, new: Any) -> bool:
    return not any(_values(shape, old, new, (), Meta()))


def _unwrap(value: Any) -> Any:
    return value.value if isinstance(value, Secret) else value


def _shows(value: Any) -> bool:
    """Whether something in the value is not secret."""
    if isinstance(value, Secret) or value is None:
        return False
    if isinstance(value, dict):
        return any(_shows(item) for item in value.values())
    if isinstance(value, list):
        return any(_shows(item) for item in value)
    return True


def _is_ignored(path: Path, ignored: tuple[str, ...]) -> bool:
    text = show_path(path)
    return any(text == rule or text.startswith((f"{rule}.", f"{rule}[")) for rule in ignored)


def replaces(differences: list[Difference]) -> list[str]:
    """Top-level names of what forces a replacement, for the engine's `replaces`."""
    return sorted({str(item.path[0]) for item in differences if item.change.replaces})


def changed(differences: list[Difference]) -> list[str]:
    return sorted({str(item.path[0]) for item in differences})


def deletes_first(differences: list[Difference]) -> bool:
    return any(item.change is Change.REPLACE_DELETE_FIRST for item in differences)
