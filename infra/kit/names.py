"""What a program needs to know of a resource: its properties' names in Python and on the wire, and which are secret.

Loading models takes a program longer than its resources do, so the SDK classes have their names from a `names.json`
beside them. `python -m infra.kit.names <module:provider>` prints it from the models; tests compare the two.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.kit.model import Model, Shape
    from infra.kit.provider import Provider


@dataclass(frozen=True)
class Names:
    """Of an object: `wire` by Python name, `inside` the names within a property (by Python name), `secret` wire names.

    Of a list or a map: `each` item's names. A value without names inside has `NO_NAMES`.
    """

    wire: Mapping[str, str] = field(default_factory=dict)
    inside: Mapping[str, "Names"] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    each: "Names | None" = None


NO_NAMES = Names()


@cache
def read(package: str) -> Mapping[str, Names]:
    """The `names.json` of a package: names by the provider's keys of resources and functions."""
    file = Path(str(import_module(package).__file__)).with_name("names.json")
    written = json.loads(file.read_text(encoding="utf-8"))
    return {key: _parse(value) for key, value in written.items()}


def of_model(model: "type[Model]") -> Names:
    return _parse(_written(model))


def of_provider(provider: "Provider[Any]") -> dict[str, Any]:
    """What `names.json` holds."""
    written: dict[str, Any] = {}
    for key in provider.resources:
        resource = provider.resource(provider.token(key))
        assert resource is not None
        written[key] = _written(resource.State)
    for key in provider.invokes:
        function = provider.function(provider.token(key))
        assert function is not None
        written[key] = _written(function.Args)
    return written


def _parse(written: Mapping[str, Any]) -> Names:
    return Names(
        written.get("wire", {}),
        {key: _parse(value) for key, value in written.get("inside", {}).items()},
        tuple(written.get("secret", ())),
        _parse(written["each"]) if "each" in written else None,
    )


def _written(model: "type[Model]") -> dict[str, Any]:
    from infra.kit.model import specs

    written: dict[str, Any] = {"wire": {spec.name: spec.wire for spec in specs(model)}}
    inside = {spec.name: _inside(spec.shape) for spec in specs(model)}
    secret = [spec.wire for spec in specs(model) if spec.meta.secret]
    for key, value in (("inside", {name: one for name, one in inside.items() if one}), ("secret", secret)):
        if value:
            written[key] = value
    return written


def _inside(shape: "Shape") -> dict[str, Any]:
    if shape.model is not None:
        return _written(shape.model)
    each = _inside(shape.item) if shape.item is not None else {}
    return {"each": each} if each else {}


def main(argv: list[str]) -> None:
    module, _, attribute = argv[0].partition(":")
    provider = getattr(import_module(module), attribute or "provider")
    json.dump(of_provider(provider), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
