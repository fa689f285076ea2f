"""The provider kit: pydantic models and five methods in, a Pulumi resource provider out.

A provider's main is `serve(Provider(...))`. Each name loads its module when first asked for: the process side (gRPC,
protobuf) only inside `serve`, and a program's `infra.kit.sdk` no models.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.kit.context import Cancelled, CheckContext, ConnectContext, Context, InvokeContext
    from infra.kit.mark import Mark
    from infra.kit.model import Change, Model, prop
    from infra.kit.provider import Provider
    from infra.kit.resource import (
        Created,
        Failure,
        Function,
        InitFailed,
        InTheWay,
        NotFound,
        Resource,
    )
    from infra.spec.findings import UNKNOWN

__all__ = [
    "UNKNOWN",
    "Cancelled",
    "Change",
    "CheckContext",
    "ConnectContext",
    "Context",
    "Created",
    "Failure",
    "Function",
    "InTheWay",
    "InitFailed",
    "InvokeContext",
    "Mark",
    "Model",
    "NotFound",
    "Provider",
    "Resource",
    "prop",
    "serve",
]

_HOMES = {
    "infra.kit.context": ("Cancelled", "CheckContext", "ConnectContext", "Context", "InvokeContext"),
    "infra.kit.mark": ("Mark",),
    "infra.kit.model": ("Change", "Model", "prop"),
    "infra.kit.provider": ("Provider",),
    "infra.kit.resource": (
        "Created",
        "Failure",
        "Function",
        "InTheWay",
        "InitFailed",
        "NotFound",
        "Resource",
    ),
    "infra.spec.findings": ("UNKNOWN",),
}


def serve(provider: "Provider[object]") -> None:
    """Answer the engine until it goes: the main of a `pulumi-resource-*` console script."""
    from infra.kit.serve import main

    main(provider)


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
