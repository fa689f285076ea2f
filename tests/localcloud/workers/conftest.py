"""A fleet behind a real HTTP server on 127.0.0.1, with workers that are either real processes or played by the test."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
from aiohttp import web

from infra.localcloud.core.clock import Clock, ManualClock, RealClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import EndpointRecord, ScalerType, Usage, WorkerView
from infra.localcloud.runpod.workers import LocalFleet
from infra.localcloud.runpod.workers.images import ImageRefused, UnpackedImage
from infra.localcloud.runpod.workers.logs import WorkerLog

API_KEY = "local-key"
PATIENCE_S = 60.0  # how long a test waits for what must come, on a busy machine

RECORD = EndpointRecord(
    id="abcdefghij0123",
    name="search",
    type="QUEUE",
    version=1,
    image="registry.pilotlight.internal/search@sha256:" + "0" * 64,
    args="",
    env={},
    scaler=ScalerType.QUEUE_DELAY,
    scaler_value=4.0,
    workers_min=0,
    workers_max=3,
    idle_timeout_s=5,
    timeout_ms=0,
    flashboot="OFF",
    gpu_pools=("AMPERE_24",),
    gpu_count=1,
)


class NoMeter:
    def __init__(self) -> None:
        self.usages: list[Usage] = []

    def record(self, usage: Usage) -> None:
        self.usages.append(usage)


class OneImage:
    """Every reference is the same unpacked image, except those in `refused`."""

    def __init__(self, image: UnpackedImage) -> None:
        self.image = image
        self.refused: dict[str, str] = {}

    async def resolve(self, image_ref: str) -> UnpackedImage:
        if image_ref in self.refused:
            raise ImageRefused(self.refused[image_ref])
        return self.image


def settings(**values: Any) -> Settings:
    return Settings.model_validate({"rate_limit": False, **values})


@dataclass
class Played:
    """A worker without a process: the test speaks its protocol. It ends on `exit`, or at once when told to stop."""

    env: Mapping[str, str]
    log: WorkerLog
    argv: Sequence[str]
    pid: int = 0
    exited: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    signals: list[str] = field(default_factory=list)
    stubborn: bool = False  # does not end on SIGTERM

    def terminate(self) -> None:
        self.signals.append("TERM")
        if not self.stubborn:
            self.exit(0)

    def kill(self) -> None:
        self.signals.append("KILL")
        self.exit(-9)

    def exit(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)

    @property
    def id(self) -> str:
        return self.env["RUNPOD_POD_ID"]


class Stage:
    """A launcher whose workers are played by the test."""

    def __init__(self) -> None:
        self.workers: list[Played] = []
        self._started = asyncio.Event()
        self.fail: str = ""

    def launch(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: WorkerLog) -> Played:
        if self.fail:
            raise OSError(self.fail)
        worker = Played(env, log, argv)
        self.workers.append(worker)
        self._started.set()
        return worker

    def close(self) -> None:
        pass

    async def started(self, count: int) -> list[Played]:
        while len(self.workers) < count:
            self._started.clear()
            await asyncio.wait_for(self._started.wait(), PATIENCE_S)
        return self.workers

    @property
    def running(self) -> list[Played]:
        return [worker for worker in self.workers if not worker.exited.done()]


@dataclass
class Cloud:
    """The fleet under test and its HTTP client."""

    fleet: LocalFleet
    url: str
    session: aiohttp.ClientSession
    clock: Any
    store: Store
    meter: NoMeter
    images: Any
    faults: Faults
    stage: Stage
    record: EndpointRecord = RECORD
    settings: Settings = field(default_factory=Settings)

    async def apply(self, **changes: Any) -> EndpointRecord:
        self.record = replace(self.record, **changes)
        await self.fleet.apply(self.record)
        return self.record

    async def call(
        self, method: str, operation: str, body: Any = None, *, key: str = API_KEY, expect: int = 200
    ) -> Any:
        url = f"{self.url}/v2/{self.record.id}/{operation}"
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
        async with self.session.request(method, url, data=data, headers={"Authorization": key}) as answer:
            text = await answer.text()
            assert answer.status == expect, f"{method} {operation}: {answer.status} {text}"
            return json.loads(text)

    async def run(self, payload: Any, **more: Any) -> str:
        return str((await self.call("POST", "run", {"input": payload, **more}))["id"])

    async def status(self, job_id: str) -> dict[str, Any]:
        return dict(await self.call("GET", f"status/{job_id}"))

    async def end(self, job_id: str) -> dict[str, Any]:
        return dict(await self.call("GET", f"status-sync/{job_id}?wait=60000"))

    def ask(self, method: str, operation: str, body: Any = None, **options: Any) -> "asyncio.Task[Any]":
        return asyncio.ensure_future(self.call(method, operation, body, **options))

    async def until(self, condition: Callable[[], Any]) -> None:
        """What was sent is on its way: round trips through the server until its effect shows."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if condition():
                return
            await self.call("GET", "metrics")
        raise AssertionError("what the test waits for did not come")

    def views(self) -> list[WorkerView]:
        return self.fleet.workers(self.record.id)

    def statuses(self) -> list[str]:
        return sorted(view.status.value for view in self.views())

    async def actor(self, number: int = 1) -> "Actor":
        """The `number`th worker that was started, played."""
        return Actor(self, (await self.stage.started(number))[number - 1])

    async def ready(self, number: int = 1) -> tuple["Actor", "asyncio.Task[tuple[int, Any]]"]:
        """That worker with a job-take that waits."""
        actor = await self.actor(number)
        poll = actor.taking()
        worker = self.fleet._find(self.record.id, actor.worker.id)
        await self.until(lambda: worker.take is not None or poll.done())
        return actor, poll


class Actor:
    """Speaks the worker protocol for a played worker."""

    def __init__(self, cloud: Cloud, worker: Played) -> None:
        self.cloud, self.worker = cloud, worker

    async def get(self, kind: str, query: str = "") -> tuple[int, Any]:
        template = self.worker.env["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", self.worker.id)
        return await self._send("GET", template.replace("/job-take/", f"/{kind}/") + query)

    def stopping(self) -> "asyncio.Task[tuple[int, Any]]":
        return asyncio.ensure_future(self.get("job-stop"))

    async def take(self) -> dict[str, Any]:
        status, job = await self.get("job-take", "&job_in_progress=0")
        assert status == 200, status
        return dict(job)

    def taking(self) -> "asyncio.Task[tuple[int, Any]]":
        return asyncio.ensure_future(self.get("job-take", "&job_in_progress=0"))

    async def done(self, job_id: str, result: Any, stream: bool = False) -> int:
        template = self.worker.env["RUNPOD_WEBHOOK_POST_OUTPUT"]
        return (await self._post(template, job_id, result, stream))[0]

    async def chunk(self, job_id: str, chunk: Any) -> int:
        template = self.worker.env["RUNPOD_WEBHOOK_POST_STREAM"]
        return (await self._post(template, job_id, {"output": chunk}, False))[0]

    async def _post(self, template: str, job_id: str, body: Any, stream: bool) -> tuple[int, Any]:
        url = template.replace("$RUNPOD_POD_ID", self.worker.id).replace("$ID", job_id)
        return await self._send("POST", f"{url}&isStream={str(stream).lower()}", json.dumps(body))

    async def _send(self, method: str, url: str, data: str | None = None) -> tuple[int, Any]:
        headers = {
            "Authorization": self.worker.env["RUNPOD_AI_API_KEY"],
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with self.cloud.session.request(method, url, data=data, headers=headers) as answer:
            return answer.status, json.loads(await answer.text() or "null")


def handler_image(directory: Path, source: str) -> UnpackedImage:
    """An unpacked image whose entry is `source`, under the host's interpreter with this environment's packages."""
    app = directory / "image" / "app"
    app.mkdir(parents=True)
    (app / "rp_handler.py").write_text(source)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    return UnpackedImage(
        digest="sha256:" + "0" * 64,
        root=directory / "image",
        python=Path(getattr(sys, "_base_executable", sys.executable)),
        entrypoint=("python3", "-u", "/app/rp_handler.py"),
        command=(),
        cwd=app,
        env={"PYTHONPATH": packages},
    )


@asynccontextmanager
async def serve_fleet(
    directory: Path,
    clock: Clock,
    images: Any,
    *,
    cold_start: Literal["instant", "real"] = "instant",
    launcher: Any = None,
    rate_limit: bool = False,
    set_: dict[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[Cloud]:
    meter, stage = NoMeter(), Stage()
    live = settings(rate_limit=rate_limit, cold_start=cold_start, **(set_ or {}))
    faults = Faults(clock)
    store = Store(directory / "state.db")
    server = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    fleet = LocalFleet(
        clock,
        images,
        meter,
        store,
        url,
        live,
        directory / "cloud",
        API_KEY,
        faults=faults,
        launcher=stage if launcher == "stage" else launcher,
        real_boot=lambda record: 40.0,
        worker_env={"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local-secret"},
        **more,
    )
    app = web.Application()
    app.add_routes(fleet.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.SockSite(runner, server).start()
    async with aiohttp.ClientSession() as session:
        try:
            yield Cloud(fleet, url, session, clock, store, meter, images, faults, stage, settings=live)
        finally:
            await fleet.close()
            await runner.cleanup()
            store.close()


@pytest.fixture
def base_record() -> EndpointRecord:
    return RECORD


@pytest.fixture
def played(tmp_path: Path) -> Callable[[Callable[[Cloud], Awaitable[None]]], None]:
    """Runs an async test on a manual clock with played workers."""

    def run(test: Callable[[Cloud], Awaitable[None]], **options: Any) -> None:
        async def main() -> None:
            image = OneImage(handler_image(tmp_path, ""))
            async with serve_fleet(tmp_path, ManualClock(), image, launcher="stage", **options) as cloud:
                await asyncio.wait_for(test(cloud), PATIENCE_S)

        asyncio.run(main())

    return run


@pytest.fixture
def stage(tmp_path: Path) -> Callable[[Clock], AbstractAsyncContextManager[Cloud]]:
    """Serves a fleet with played workers, each time over the same state."""
    image = OneImage(handler_image(tmp_path, ""))
    return lambda clock: serve_fleet(tmp_path, clock, image, launcher="stage")


@pytest.fixture
def serve() -> Callable[..., AbstractAsyncContextManager[Cloud]]:
    return serve_fleet


@pytest.fixture
def real(tmp_path: Path) -> Callable[[str, Callable[[Cloud], Awaitable[None]]], None]:
    """Runs an async test on the real clock with the official worker around a handler source."""

    def run(source: str, test: Callable[[Cloud], Awaitable[None]], **options: Any) -> None:
        async def main() -> None:
            images = OneImage(handler_image(tmp_path, source))
            async with serve_fleet(tmp_path, RealClock(), images, **options) as cloud:
                await asyncio.wait_for(test(cloud), 2 * PATIENCE_S)

        asyncio.run(main())

    return run
