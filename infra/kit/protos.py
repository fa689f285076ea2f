"""Pulumi's generated protocol modules, loaded without the SDK around them (which would double a provider's start)."""

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        status_pb2,
    )
else:

    def _load(*names: str) -> list[types.ModuleType]:
        """Import `pulumi.runtime.proto.*` under empty parents, which are taken away again for a later `import pulumi`."""
        parents = [
            name for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto") if name not in sys.modules
        ]
        if parents and parents[0] == "pulumi":
            base = Path(importlib.util.find_spec("pulumi").origin).parent
            for name in parents:
                module = types.ModuleType(name)
                module.__path__ = [str(base.joinpath(*name.split(".")[1:]))]
                sys.modules[name] = module
        else:
            parents = []
        try:
            return [importlib.import_module(f"pulumi.runtime.proto.{name}") for name in names]
        finally:
            for name in parents:
                del sys.modules[name]

    plugin_pb2, provider_pb2, provider_pb2_grpc, engine_pb2, engine_pb2_grpc, status_pb2 = _load(
        "plugin_pb2", "provider_pb2", "provider_pb2_grpc", "engine_pb2", "engine_pb2_grpc", "status_pb2"
    )

__all__ = [
    "engine_pb2",
    "engine_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "status_pb2",
]
