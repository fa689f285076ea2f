"""The provider kit: pydantic models and five methods in, a Pulumi resource provider out.

A provider's main is `serve(Provider(...))`. The process side (gRPC, protobuf) loads only inside `serve`.
"""

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


def serve(provider: Provider[object]) -> None:
    """Answer the engine until it goes: the main of a `pulumi-resource-*` console script."""
    from infra.kit.serve import main

    main(provider)
