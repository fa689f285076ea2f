"""A local Modal in a thread of the test, and the official client as a process of its own."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from infra.localcloud.core.clock import RealClock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.settings import Settings
from infra.localcloud.core.store import Store
from infra.localcloud.modal import apps, images, rpc
from infra.localcloud.modal.model import LogFilter, LogLine, StatsView, TaskState, TaskView
from infra.localcloud.modal.world import Token, Urls, World

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[3]
TOKEN = Token("ak-test", "as-test")


@dataclass
class FakeFleet:
    """Runs nothing: it notes what it is told, and shows the containers and lines that the test gives it."""

    applied: list[str] = field(default_factory=list)
    stopped_apps: list[str] = field(default_factory=list)
    stopped_tasks: list[tuple[str, bool]] = field(default_factory=list)
    views: list[TaskView] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def apply(self, function_id: str) -> None:
        self.applied.append(function_id)

    def stop_app(self, app_id: str) -> None:
        self.stopped_apps.append(app_id)

    def stats(self, function_id: str) -> StatsView:
        return StatsView(backlog=3, tasks=2, running_inputs=1, headroom=4)

    def tasks(self, app_id: str | None = None) -> list[TaskView]:
        return [
            view
            for view in self.views
            if app_id in (None, view.app_id) and view.state is not TaskState.STOPPED
        ]

    def task(self, task_id: str) -> TaskView | None:
        return next((view for view in self.views if view.task_id == task_id), None)

    def stop_task(self, task_id: str, graceful: bool) -> bool:
        self.stopped_tasks.append((task_id, graceful))
        return self.task(task_id) is not None

    def logs(self, app_id: str, wanted: LogFilter, limit: int = 0, after: int = 0) -> list[LogLine]:
        fits = [line for line in self.lines if line.seq > after and _fits(line, wanted)]
        return fits[-limit:] if limit else fits

    async def idle(self, app_id: str) -> None:
        """Nothing runs here."""

    async def logs_changed(self, app_id: str, after: int) -> None:
        await self.news.wait()

    async def close(self) -> None:
        """There is nothing to stop."""


def _fits(line: LogLine, wanted: LogFilter) -> bool:
    return (
        (wanted.since is None or line.ts >= wanted.since)
        and (wanted.until is None or line.ts < wanted.until)
        and wanted.source in (0, line.source)
        and wanted.task_id in ("", line.task_id)
        and wanted.search in line.text
    )


class LocalModal:
    """The server on a port of its own. `restart` reads everything anew from the disk."""

    def __init__(self, state: Path, tools: images.Tools) -> None:
        self.state = state
        self._tools = tools
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    def start(self) -> None:
        self.run(self._start)

    def restart(self) -> None:
        self.run(self._stop)
        self.start()

    def close(self) -> None:
        self.run(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(120)

    async def _start(self) -> None:
        clock = RealClock()
        store = Store(self.state / "state.sqlite")
        urls = Urls("", "http://127.0.0.1:1", "http://127.0.0.1:2")
        self.world = World(store, clock, Settings(), Faults(clock), None, self.state, urls, TOKEN)  # type: ignore[arg-type]
        self.world.fleet = self.fleet = FakeFleet()
        self.world.secrets = apps.SecretStore(self.world)
        self.world.mounts = apps.ContentStore(self.world)
        self.world.images = self.images = images.ImageStore(self.world, self._tools)
        rooms = [apps.rpcs(self.world), images.rpcs(self.world, self.images)]
        self.port = await rpc.serve(self.world, rooms)

    async def _stop(self) -> None:
        await self.world.server.close()
        await self.images.close()
        self.world.store.close()

    def environment(self, **more: str) -> dict[str, str]:
        """Of a client process: what points it here, and no trace of the developer's own."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.state / "home"),
            "COLUMNS": "200",
            "MODAL_SERVER_URL": f"http://127.0.0.1:{self.port}",
            "MODAL_TOKEN_ID": TOKEN.id,
            "MODAL_TOKEN_SECRET": TOKEN.secret,
            "MODAL_CONFIG_PATH": str(self.state / "modal.toml"),
            "NO_PROXY": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def modal(self, *words: str, cwd: Path | None = None, ok: bool = True, **more: str) -> str:
        """The official CLI; what it prints."""
        return self._process([sys.executable, "-m", "modal", *words], cwd, ok, more)

    def modal_json(self, *words: str) -> Any:
        return json.loads(self.modal(*words, "--json"))

    def python(self, code: str, *, ok: bool = True, **more: str) -> str:
        """A program that uses the official client."""
        return self._process([sys.executable, "-c", code], None, ok, more)

    def _process(self, command: list[str], cwd: Path | None, ok: bool, more: dict[str, str]) -> str:
        done = subprocess.run(
            command,
            cwd=cwd or self.state,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=100,
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, said
        return done.stdout if ok else said


@pytest.fixture(scope="session")
def tools() -> images.Tools:
    noted = ROOT / ".pilotlight" / "toolchain.json"
    return images.Tools.of(json.loads(noted.read_text()) if noted.exists() else {})


@pytest.fixture
def cloud(tmp_path: Path, tools: images.Tools) -> Iterator[LocalModal]:
    started = LocalModal(tmp_path, tools)
    yield started
    started.close()
