"""States and inputs between the wire and the models: loading what is stored, and what goes back to be stored."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from infra.kit.mark import HIDDEN
from infra.kit.model import Model, by_wire, specs
from infra.kit.wire import Tree, plain, schema_secret_paths, secret_paths, to_wire, wrap
from infra.spec.findings import UNKNOWN

UNFINISHED: Final = "__unfinished"
"""The output that tells a later update that the create failed half way, so a call is due even without a difference."""


def load_inputs(model: type[Model], tree: Tree) -> Model:
    """Checked inputs as their model."""
    return model.model_validate(_known_keys(model, plain(tree)))


def load_state(model: type[Model], inputs: Tree, outputs: Tree) -> Model:
    """A stored state as its model, whatever an older version or a failed creation left out (None then).

    What the cloud never returns is as the inputs say: after an import the engine keeps the program's there, with no call that
    would have brought them into the outputs.
    """
    declared = {
        spec.wire: inputs[spec.wire] for spec in specs(model) if spec.meta.write_only and spec.wire in inputs
    }
    tree = _known_keys(model, plain({**inputs, **outputs, **declared}))
    try:
        return model.model_validate(tree)
    except ValidationError:
        return _load_leniently(model, tree)


def outputs_of(model: type[Model], state: Model | None, inputs: Tree) -> Tree:
    """A state as outputs, with those inputs that the cloud does not return."""
    tree = to_wire(state) if state is not None else {}
    for key, value in inputs.items():
        if key not in tree and key != HIDDEN:
            tree[key] = value
    return _secret(model, plain(tree), inputs)


def silently_updated(model: type[Model], old: Model, inputs: Tree, changed: Iterable[str]) -> Tree:
    """A state after an update that needed no call: the old one, with the changed inputs (by wire name) in it."""
    tree = outputs_of(model, old, inputs)
    for key in changed:
        tree.pop(key, None)
        if key in inputs:
            tree[key] = inputs[key]
    return _secret(model, plain(tree), inputs)


def inputs_from_state(model: type[Model], state: Model, olds: Tree) -> Tree:
    """The inputs that the cloud really has.

    What it never returns is carried over from the old inputs, what was left to it stays left to it. For an import
    (no old inputs) values that are the default anyway are dropped.
    """
    importing = not olds
    tree: Tree = {}
    for spec in specs(model):
        value = to_wire(getattr(state, spec.name, None))
        old = olds.get(spec.wire)
        left_open = spec.meta.server_default and not importing and old is None
        by_default = importing and not spec.required and value == to_wire(spec.default)
        if spec.meta.write_only or spec.meta.ignore:
            value = plain(old)
        elif left_open or by_default:
            value = None
        if value is not None:
            tree[spec.wire] = value
    tree = _secret(model, tree, olds)
    if HIDDEN in olds:
        tree[HIDDEN] = olds[HIDDEN]
    return tree


def preview_state(
    state_model: type[Model], inputs_model: type[Model], inputs: Tree, known: Mapping[str, Any]
) -> Tree:
    """Outputs before the call: the inputs, what is known (by snake_case name), and `UNKNOWN` for every other one."""
    own = by_wire(inputs_model)
    tree: Tree = {}
    for spec in specs(state_model):
        if spec.name in known:
            tree[spec.wire] = to_wire(known[spec.name])
        elif spec.wire in inputs:
            tree[spec.wire] = inputs[spec.wire]
        elif spec.wire not in own or own[spec.wire].meta.server_default:
            tree[spec.wire] = UNKNOWN
    return _secret(state_model, plain(tree), inputs)


def _secret(model: type[Model], tree: Tree, inputs: Tree) -> Tree:
    """What is secret in the inputs is secret in the outputs, beside what the model declares."""
    wrapped: Tree = wrap(tree, {*secret_paths(inputs), *schema_secret_paths(model, tree)})
    return wrapped


def _known_keys(model: type[Model], tree: Tree) -> Tree:
    known = by_wire(model)
    return {key: value for key, value in tree.items() if key in known}


def _load_leniently(model: type[Model], tree: Tree) -> Model:
    values: dict[str, Any] = {}
    for spec in specs(model):
        raw = tree.get(spec.wire)
        try:
            partial = model.__pydantic_validator__.validate_assignment(
                model.model_construct(), spec.name, raw, by_alias=True, by_name=True
            )
            values[spec.name] = getattr(partial, spec.name)
        except (ValidationError, TypeError, AttributeError):
            values[spec.name] = spec.default if raw is None else raw
    return model.model_construct(**values)
