"""Runs a stack's program with a monitor that records what it registers, and creates nothing.

A script of its own process (`infra.cli.program` starts it): it knows the Pulumi SDK and the standard library only, so that it
runs a program of another commit, whose modules come first on the path. Takes its orders as JSON on standard input, and
writes what it recorded as JSON to the file named there.
"""

import asyncio
import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf import empty_pb2, json_format
from pulumi.runtime import mocks, rpc_manager, settings
from pulumi.runtime.proto import resource_pb2

STACK = "pulumi:pulumi:Stack"


class Recorder(mocks.MockMonitor):
    """Answers as an engine does in a preview of something new: no ids, and only what was given is known."""

    def __init__(self, program: Path, project: str, stack: str) -> None:
        super().__init__(_Nothing())
        self.program, self.project, self.stack = program, project, stack
        self.registered: list[dict[str, Any]] = []
        self.outputs: dict[str, Any] = {}
        self.invoked: list[str] = []

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """As the engine makes them: the stack itself is no part of the types."""
        above = parent.split("::")[2] if parent else STACK
        qualified = type_ if above == STACK else f"{above}${type_}"
        return f"urn:pulumi:{self.stack}::{self.project}::{qualified}::{name}"

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type != STACK:
            self.registered.append(self._described(request, urn, request.custom, request.object))
        return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)

    def ReadResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.ReadResourceResponse(urn=urn, properties=request.properties)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if f"::{STACK}::" in request.urn:
            self.outputs = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:
        self.invoked.append(request.tok)
        return resource_pb2.ResourceInvokeResponse()

    def _described(self, request: Any, urn: str, custom: bool, inputs: Any) -> dict[str, Any]:
        return {
            "urn": urn,
            "type": request.type,
            "name": request.name,
            "parent": request.parent,
            "custom": custom,
            "provider": request.provider,
            "inputs": json_format.MessageToDict(inputs),
            "source": self._line(request.stackTrace.frames),
        }

    def _line(self, frames: Any) -> tuple[str, int] | None:
        """The innermost line of the program's own directory, relative to the project."""
        for frame in frames:
            path = Path(frame.pc.uri.removeprefix("file://"))
            if path.is_relative_to(self.program):
                return str(path.relative_to(self.program.parent)), frame.pc.line
        return None


class _Nothing(mocks.Mocks):
    def new_resource(self, args: Any) -> Any:
        return None, {}

    def call(self, args: Any) -> Any:
        return {}


class _Settings(settings.Settings):
    """Plain attributes: the SDK's own are bound to a context that its worker threads do not share."""

    def __init__(self, **values: Any) -> None:
        self.rpc_manager = rpc_manager.RPCManager()  # type: ignore[no-untyped-call]
        for name, value in values.items():
            setattr(self, name, value)


class _Engine:
    """What the program logs, by severity (1 = info, 2 = warning, 3 = error)."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str]] = []

    def Log(self, request: Any) -> Any:
        if request.severity and not request.ephemeral:
            self.said.append((request.severity, request.message))
        return empty_pb2.Empty()

    def SetRootResource(self, request: Any) -> Any:
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any) -> Any:
        return empty_pb2.Empty()


def record(orders: dict[str, Any]) -> dict[str, Any]:
    """Run the program to its end, or to where it fails."""
    directory = Path(orders["program"])
    monitor, engine = Recorder(directory, orders["project"], orders["stack"]), _Engine()
    info: Any = monitor.GetDeploymentInfo(empty_pb2.Empty())  # type: ignore[no-untyped-call]
    features = set(info.supportedFeatures)
    settings.configure(
        _Settings(
            monitor=monitor,
            monitor_features=features,
            engine=engine,
            project=orders["project"],
            stack=orders["stack"],
            organization="organization",
            root_directory=str(directory.parent),
            dry_run=True,
            parallel=1,
            legacy_apply_enabled=False,
            callbacks=None,
            package_refs={},
            outputs=set(),
        )
    )
    pulumi.runtime.set_all_config(orders["config"], orders["secret_keys"])
    sys.path[:0] = [str(directory), str(directory.parent)]
    sys.argv = [str(directory)]
    os.chdir(directory)
    error = _run(directory)
    return {
        "resources": monitor.registered,
        "outputs": monitor.outputs,
        "invoked": monitor.invoked,
        "said": engine.said,
        "error": error,
    }


def _run(directory: Path) -> dict[str, Any] | None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(
            pulumi.runtime.run_in_stack(lambda: _nothing(runpy.run_path(str(directory), run_name="__main__")))
        )
    except pulumi.RunError as error:
        return {"message": str(error), "explained": True, "source": None}
    except SystemExit as error:
        if error.code in (0, None):
            return None
        return {"message": f"the program ended itself with {error.code!r}", "explained": True, "source": None}
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _within(frame, directory)]
        source = _position(frames[-1], directory) if frames else _syntax(error, directory)
        return {
            "message": f"{type(error).__name__}: {_told(error)}",
            "explained": False,
            "source": source,
        }
    return None


def _told(error: BaseException) -> str:
    return str(error.msg) if isinstance(error, SyntaxError) else str(error)


def _syntax(error: BaseException, directory: Path) -> tuple[str, int] | None:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        path = Path(error.filename)
        if path.is_relative_to(directory.parent):
            return str(path.relative_to(directory.parent)), error.lineno
    return None


def _within(frame: traceback.FrameSummary, directory: Path) -> bool:
    return Path(frame.filename).is_relative_to(directory)


def _position(frame: traceback.FrameSummary, directory: Path) -> tuple[str, int]:
    return str(Path(frame.filename).relative_to(directory.parent)), frame.lineno or 1


def _nothing(_: Any) -> None:
    return None


def main() -> None:
    orders = json.load(sys.stdin)
    recorded = record(orders)
    Path(orders["to"]).write_text(json.dumps(recorded), encoding="utf-8")
    # threads that a program left running must not hold up the answer
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
