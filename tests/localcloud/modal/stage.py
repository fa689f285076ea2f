"""A fleet on a manual clock whose containers are played by the test, through the RPCs that real ones use."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modal_proto import api_pb2

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.modal import calls, containers
from infra.localcloud.modal.containers.container import Container
from infra.localcloud.modal.containers.platform import CannotStart, Turns
from infra.localcloud.modal.model import AppRecord, FunctionRecord
from infra.localcloud.modal.rpc import Call, RpcHandler
from infra.localcloud.modal.world import Token, Urls, World
from tests.localcloud.modal.running import meter

PATIENCE_S = 30.0
SUCCESS = api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
FAILURE = api_pb2.GenericResult.GENERIC_STATUS_FAILURE
ASYNC = api_pb2.FUNCTION_CALL_INVOCATION_TYPE_ASYNC


@dataclass
class Played:
    """A container without a process. It ends on `exit`, or when it is told to, unless it is stubborn."""

    container: Container
    pid: int = 0
    exited: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    signals: list[str] = field(default_factory=list)
    stubborn: bool = False

    def interrupt(self) -> None:
        self._signal("INT")

    def terminate(self) -> None:
        self._signal("TERM")

    def kill(self) -> None:
        self.signals.append("KILL")
        self.exit(-9)

    def exit(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)

    def _signal(self, name: str) -> None:
        self.signals.append(name)
        if not self.stubborn:
            self.exit(0)


class Actors:
    """A starter whose containers are played."""

    def __init__(self) -> None:
        self.all: list[Played] = []
        self.refuse = ""

    async def start(self, container: Container) -> Played:
        if self.refuse:
            raise CannotStart(self.refuse)
        played = Played(container)
        self.all.append(played)
        return played

    async def clean(self, container: Container) -> None:
        pass

    def close(self) -> None:
        pass

    @property
    def running(self) -> list[Played]:
        return [played for played in self.all if not played.exited.done()]


class Stage:
    def __init__(self, folder: Path, at_once: int = 100) -> None:
        self.clock = ManualClock()
        self.faults = Faults(self.clock)
        self.store = Store(folder / "state.sqlite")
        self.world = World(
            self.store,
            self.clock,
            Settings(),
            self.faults,
            meter(self.store, self.clock),
            folder,
            Urls("", ""),
            Token("a", "b"),  # type: ignore[arg-type]
        )
        self.actors = Actors()
        self.fleet = containers.LocalFleet(self.world, starter=self.actors, turns=Turns(at_once))
        self.world.fleet = self.fleet
        self._rpcs: dict[str, RpcHandler] = {**calls.rpcs(self.world), **containers.rpcs(self.world)}
        self.world.apps.put(
            AppRecord("ap-1", "shop", "shop", "main", api_pb2.APP_STATE_DEPLOYED, 0.0, "me", version=1)
        )

    async def publish(self, version: int = 1, **settings: Any) -> FunctionRecord:
        """`settings`: of the autoscaler, or else of the function."""
        scaling = {
            name: settings.pop(name)
            for name in list(settings)
            if name in api_pb2.AutoscalerSettings.DESCRIPTOR.fields_by_name
        }
        function = api_pb2.Function(
            function_name="f", timeout_secs=settings.pop("timeout_secs", 300), **settings
        )
        data = api_pb2.FunctionData(function_name="f")
        data.ranked_functions.add(rank=0, function=function)
        record = FunctionRecord(
            "fu-1",
            "ap-1",
            "f",
            api_pb2.FunctionHandleMetadata(function_name="f"),
            data,
            version=version,
            settings=api_pb2.AutoscalerSettings(**scaling),
        )
        self.world.functions.put(record)
        self.fleet.apply("fu-1")
        await self.settle()
        return record

    async def settle(self) -> None:
        await self.clock.advance(0)

    def ask(self, method: str, request: Any, task_id: str | None = None) -> "asyncio.Future[Any]":
        call = Call(method, 1, "1.6.4", True, task_id, "", {})
        answer = self._rpcs[method](request, call)
        assert isinstance(answer, Awaitable)
        return asyncio.ensure_future(answer)

    async def tell(self, method: str, request: Any, task_id: str | None = None) -> Any:
        return await asyncio.wait_for(self.ask(method, request, task_id), PATIENCE_S)

    async def call(self, *arguments: bytes, kind: int = 0, many: bool = False) -> api_pb2.FunctionMapResponse:
        items = [
            api_pb2.FunctionPutInputsItem(idx=idx, input=api_pb2.FunctionInput(args=args))
            for idx, args in enumerate(arguments)
        ]
        request = api_pb2.FunctionMapRequest(
            function_id="fu-1",
            pipelined_inputs=items,
            function_call_invocation_type=kind or api_pb2.FUNCTION_CALL_INVOCATION_TYPE_SYNC,  # type: ignore[arg-type]
            function_call_type=api_pb2.FUNCTION_CALL_TYPE_MAP if many else api_pb2.FUNCTION_CALL_TYPE_UNARY,
        )
        answer: api_pb2.FunctionMapResponse = await self.tell("FunctionMap", request)
        await self.settle()
        return answer

    async def outputs(
        self, call: api_pb2.FunctionMapResponse, **more: Any
    ) -> list[api_pb2.FunctionGetOutputsItem]:
        """Those that are there now."""
        request = api_pb2.FunctionGetOutputsRequest(function_call_id=call.function_call_id, **more)
        return list((await self.tell("FunctionGetOutputs", request)).outputs)

    async def actor(self, number: int = 0) -> "Actor":
        await self.settle()
        return Actor(self, self.actors.all[number])


class Actor:
    """Speaks for one container."""

    def __init__(self, stage: Stage, played: Played) -> None:
        self.stage, self.played = stage, played
        self.id = played.container.id

    async def poll(self, **request: Any) -> "asyncio.Future[api_pb2.FunctionGetInputsResponse]":
        answer = self.stage.ask("FunctionGetInputs", api_pb2.FunctionGetInputsRequest(**request), self.id)
        await self.stage.settle()
        return answer

    async def take(self, **request: Any) -> list[api_pb2.FunctionGetInputsItem]:
        """What there is; it must be there now."""
        answer = await self.poll(**request)
        assert answer.done(), "no input came"
        return list(answer.result().inputs)

    async def put(
        self, item: api_pb2.FunctionGetInputsItem, data: bytes = b"", status: int = SUCCESS, **more: Any
    ) -> None:
        result = api_pb2.GenericResult(status=status, data=data)  # type: ignore[arg-type]
        output = api_pb2.FunctionPutOutputsItem(
            **{"input_id": item.input_id, "retry_count": item.retry_count, "result": result, **more}
        )
        await self.stage.tell(
            "FunctionPutOutputs", api_pb2.FunctionPutOutputsRequest(outputs=[output]), self.id
        )
        await self.stage.settle()

    async def heartbeat(self) -> "asyncio.Future[api_pb2.ContainerHeartbeatResponse]":
        answer = self.stage.ask("ContainerHeartbeat", api_pb2.ContainerHeartbeatRequest(), self.id)
        await self.stage.settle()
        return answer

    async def exit(self, code: int) -> None:
        self.played.exit(code)
        await self.stage.settle()


def play(folder: Path, test: Callable[[Stage], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        stage = Stage(folder, **options)
        try:
            await asyncio.wait_for(test(stage), PATIENCE_S)
        finally:
            for played in stage.actors.running:
                played.exit(0)
            await stage.fleet.close()
            stage.store.close()

    asyncio.run(main())
