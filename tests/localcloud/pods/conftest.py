"""Pods as real processes (on the real clock), or played by the test (on a manual one)."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from infra.localcloud.core.clock import Clock, ManualClock, RealClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import LogLine, PodRecord, PodStatus, PodView
from infra.localcloud.runpod.pods import LocalPods
from infra.localcloud.runpod.volumes import VolumeDirectories
from infra.localcloud.runpod.workers.images import ImageRefused, UnpackedImage

PATIENCE_S = 20.0
RECORD = PodRecord(
    id="podabcdefghij0",
    name="tune",
    version=1,
    running=True,
    image="registry.pilotlight.internal/tune:1",
    args="",
    env={},
    disk_gib=20,
    gpu_type_id="NVIDIA L4",
    gpu_count=1,
    data_center_id="EU-RO-1",
)


@dataclass
class Played:
    """A container without a process."""

    argv: Sequence[str]
    env: Mapping[str, str]
    log: Any
    pid: int = 0
    exited: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    signals: list[str] = field(default_factory=list)
    stubborn: bool = False

    def interrupt(self) -> None: ...

    def terminate(self) -> None:
        self.signals.append("TERM")
        if not self.stubborn:
            self.exit(-15)

    def kill(self) -> None:
        if not self.exited.done():
            self.signals.append("KILL")
            self.exit(-9)

    def exit(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)


class Stage:
    def __init__(self) -> None:
        self.containers: list[Played] = []
        self.meanwhile: Callable[[], None] = lambda: None  # what happens while one is launched

    def launch(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Any, errors: Any = None
    ) -> Played:
        self.containers.append(Played(argv, env, log))
        self.meanwhile()
        return self.containers[-1]

    def close(self) -> None: ...


class OneImage:
    def __init__(self, folder: Path) -> None:
        self.refused = ""
        self.image = UnpackedImage(
            digest="sha256:" + "0" * 64,
            root=folder / "tune",
            python=Path(getattr(sys, "_base_executable", sys.executable)),
            entrypoint=("python3", "-u", "/app/main.py"),
            command=(),
            cwd=folder / "tune" / "app",
            env={"FROM_IMAGE": "yes"},
        )
        self.image.cwd.mkdir(parents=True, exist_ok=True)

    def write(self, source: str) -> None:
        (self.image.cwd / "main.py").write_text(source)

    async def resolve(self, image_ref: str) -> UnpackedImage:
        if self.refused:
            raise ImageRefused(self.refused)
        return self.image


class Known(dict[str, str]):
    """Secrets by name."""

    def secret(self, name: str) -> str | None:
        return self.get(name)


@dataclass
class World:
    pods: LocalPods
    clock: Any
    stage: Stage
    images: OneImage
    volumes: VolumeDirectories
    secrets: Known
    faults: Faults
    state: Path
    ended: list[str]
    stock: list[str]  # what `stock` says: the last, or that there is a machine
    record: PodRecord = RECORD

    async def apply(self, **changes: Any) -> PodRecord:
        self.record = replace(self.record, **changes)
        await self.pods.apply(self.record)
        return self.record

    @property
    def view(self) -> PodView:
        return self.pods.view(self.record.id)

    @property
    def last(self) -> Played:
        return self.stage.containers[-1]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Threads and processes have no clock of ours: look until it is so."""
        end = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < end, f"{self.view}: it never came"
            await asyncio.sleep(0.005)
        return found

    async def status(self, *wanted: PodStatus) -> PodView:
        await self.until(lambda: self.view.status in wanted)
        return self.view

    async def started(self, count: int = 1) -> Played:
        await self.until(
            lambda: len(self.stage.containers) == count and self.view.status is PodStatus.RUNNING
        )
        return self.last

    async def lines(self, *, follow: bool = False, after: tuple[float, int] | None = None) -> list[LogLine]:
        return [line async for line in self.pods.logs(self.record.id, tail=1000, after=after, follow=follow)]

    async def said(self, *, follow: bool = True) -> list[str]:
        return [line.line for line in await self.lines(follow=follow) if line.source == "container"]


@asynccontextmanager
async def make(folder: Path, clock: Clock, *, real: bool) -> AsyncIterator[World]:
    store, stage, images = Store(folder / "state.sqlite"), Stage(), OneImage(folder / "images")
    volumes, secrets, faults = VolumeDirectories(folder / "volumes"), Known(), Faults(clock)
    stock: list[str] = []
    ended: list[str] = []
    pods = LocalPods(
        clock,
        images,
        volumes,
        secrets,
        store.kv("ends"),
        "http://127.0.0.1:1",
        folder,
        "local_key",
        faults=faults,
        worker_env={"AWS_ACCESS_KEY_ID": "local"},
        launcher=None if real else stage,
        stock=lambda record: stock[-1] if stock else "",
        on_end=ended.append,
    )
    try:
        yield World(pods, clock, stage, images, volumes, secrets, faults, folder, ended, stock)
    finally:
        await pods.close()
        store.close()


Test = Callable[[World], Awaitable[None]]


@pytest.fixture
def played(tmp_path: Path) -> Callable[[Test], None]:
    """May be called again: then it is the daemon after a restart, an hour later."""
    clock = ManualClock()

    def run(test: Test) -> None:
        async def main() -> None:
            async with make(tmp_path, clock, real=False) as world:
                await asyncio.wait_for(test(world), PATIENCE_S)

        asyncio.run(main())

    return run


@pytest.fixture
def real(tmp_path: Path) -> Callable[[str, Test], None]:
    def run(source: str, test: Test) -> None:
        async def main() -> None:
            async with make(tmp_path, RealClock(), real=True) as world:
                world.images.write(source)
                await asyncio.wait_for(test(world), PATIENCE_S)

        asyncio.run(main())

    return run
