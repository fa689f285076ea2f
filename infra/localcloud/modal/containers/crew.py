"""The containers of one function: how many, of which version, started, retired, and what their ends mean."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from modal_proto import api_pb2

from infra.localcloud.core.backoff import Backoff
from infra.localcloud.core.faults import FaultKind
from infra.localcloud.core.timers import Timer
from infra.localcloud.modal.calls.book import Input
from infra.localcloud.modal.containers import ports, scheduler
from infra.localcloud.modal.containers.container import Container, Phase
from infra.localcloud.modal.containers.ladder import STOP_GRACE_S, Ladder
from infra.localcloud.modal.containers.platform import CannotStart, Platform
from infra.localcloud.modal.containers.scheduler import Load
from infra.localcloud.modal.model import FunctionRecord

STARTUP_TIMEOUT_S = 60.0
STOCK_OUT_S = 10.0  # between two looks for a free machine
PORT_LOOK_S = 0.02
GIVE_UP = 3  # containers in a row that died before they took an input


class Host(Protocol):
    """The pool, as its crew sees it."""

    def waiting(self) -> int:
        """Inputs (or requests, for a server) that no container has yet."""

    def stalled_s(self) -> float: ...

    def pace_s(self) -> float: ...

    def blocked(self) -> int: ...

    def lost(self, container: Container, inputs: list[Input]) -> None:
        """The container ended with these inputs on it."""

    def cannot_start(self, result: api_pb2.GenericResult) -> None:
        """Nothing that waits will ever get a container that works."""

    def changed(self) -> None:
        """A container came, went or became ready."""


class Crew:
    """`adjust` is called after every event that may change what is needed; it is cheap and may be called at will."""

    def __init__(self, record: FunctionRecord, platform: Platform, host: Host) -> None:
        self.record = replace(record)
        self.containers: dict[str, Container] = {}
        self._platform, self._host = platform, host
        self._rules = scheduler.rules_of(record)
        self.ladder = Ladder(platform, self._gone)
        self._backoff = Backoff(platform.timers, self.adjust)
        self._wake: Timer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def apply(self, record: FunctionRecord) -> None:
        new_version = (
            record.version != self.record.version or record.definition_id != self.record.definition_id
        )
        self.record, self._rules = replace(record), scheduler.rules_of(record)
        if new_version:
            self._backoff.calm()
            for container in list(self.containers.values()):
                if container.record.version != record.version or not record.version:
                    self.ladder.retire(container)
        self._closed = record.stopped
        load = self.load()
        excess = load.live - scheduler.ceiling(self._rules, load)
        for container in sorted(self.containers.values(), key=lambda item: (item.busy, -item.created_at)):
            if excess > 0 and container.live:
                self.ladder.retire(container)
                excess -= 1
        self.adjust()

    def load(self) -> Load:
        live = [container for container in self.containers.values() if container.live]
        queued = self._host.waiting()
        full = queued and self._rules.maximum is None and len(live) >= scheduler.CEILING
        return Load(
            queued=queued,
            running=sum(len(container.running) + container.requests for container in live),
            live=len(live),
            ready=sum(container.phase is Phase.READY for container in live),
            pace_s=self._host.pace_s(),
            stalled_s=self._host.stalled_s(),
            blocked=self._host.blocked() if full else 0,
        )

    def adjust(self) -> None:
        if self._closed:
            return
        load = self.load()
        if load.queued or not self._backoff.waiting:
            for _ in range(scheduler.wanted(self._rules, load) - load.live):
                if not self._add():
                    break
            load = self.load()
        self._wake_in(scheduler.look_again_s(load))
        if spare := scheduler.surplus(self._rules, load):
            self._scale_down(spare)

    @property
    def crowded(self) -> bool:
        """Inputs wait, and there can be no more containers."""
        load = self.load()
        return load.queued > 0 and load.live >= scheduler.ceiling(self._rules, load)

    def headroom(self) -> int:
        ready = [item for item in self.containers.values() if item.phase is Phase.READY and not item.retiring]
        return sum(max(0, int(self._rules.per_container) - len(item.running)) for item in ready)

    def ready(self, container: Container) -> None:
        """It asked for its first input, or its server answers."""
        if container.phase is not Phase.STARTING:
            return
        now = self._platform.clock
        container.phase, container.ready_at, container.idle_since = Phase.READY, now.now(), now.monotonic()
        if container.deadline is not None:
            container.deadline.cancel()
        self._backoff.calm()
        self._platform.turns.done(container)
        self._host.changed()

    def await_port(self, container: Container) -> None:
        """A server's enter hooks have run: it is ready once its port takes connections."""
        self._spawn(self._await_port(container, container.record.function.http_config.port))

    def rested(self, container: Container) -> None:
        """Something left the container: it may now be idle, or at its end."""
        if container.busy:
            return
        container.idle_since = self._platform.clock.monotonic()
        if container.retiring:
            self.ladder.retire(container)

    def failed(self, container: Container, result: api_pb2.GenericResult) -> None:
        """It says that it cannot start: an import or an enter hook failed. It ends by itself."""
        container.failure, container.retiring = result, True
        container.reason = container.reason or result.exception
        self._backoff.strike()
        self._host.cannot_start(result)

    async def close(self, grace_s: float) -> None:
        """End every container; those still there after the grace are killed."""
        self._closed = True
        self._backoff.calm()
        if self._wake is not None:
            self._wake.cancel()
        for task in list(self._tasks):
            task.cancel()
        exits = [item.process.exited for item in self.containers.values() if item.process is not None]
        for container in list(self.containers.values()):
            self.ladder.stop(container, "the local cloud stops", grace_s)
        if exits:
            await asyncio.wait(exits)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _scale_down(self, spare: int) -> None:
        waiting = [item for item in self.containers.values() if item.phase is Phase.WAITING and item.live]
        for container in waiting[:spare]:
            self.ladder.retire(container)
        spare -= len(waiting)
        now, wake = self._platform.clock.monotonic(), None
        idle = [item for item in self.containers.values() if item.idle and item.live]
        for container in sorted(idle, key=lambda item: item.idle_since)[: max(0, spare)]:
            left = container.idle_since + self._rules.scaledown_s - now
            if left <= 0:
                self._platform.say(container, f"idle for {self._rules.scaledown_s:g} s: scaling down")
                self.ladder.retire(container)
            else:
                wake = left if wake is None else min(wake, left)
        self._wake_in(wake)

    def _add(self) -> bool:
        """False where a container that holds the same port has to be gone first."""
        if scheduler.holds_port(self.record.function) and self.containers:
            return False
        world = self._platform.world
        app = world.apps.get(self.record.app_id)
        container = Container(
            world.new_id("ta"), self.record, app.environment if app else "", self._platform.clock.now()
        )
        self.containers[container.id] = container
        self._ask_machine(container)
        return True

    def _ask_machine(self, container: Container) -> None:
        if container.phase is not Phase.WAITING:
            return
        if self._platform.fault(FaultKind.STOCK_OUT, container.record, "boot") is not None:
            gpu = container.record.function.resources.gpu_config.gpu_type
            container.reason = f"no machine free with {gpu or 'enough CPU'} now"
            self._platform.say(container, container.reason)
            container.deadline = self._platform.timers.after(
                STOCK_OUT_S, partial(self._ask_machine, container)
            )
            return
        container.reason = ""
        self._platform.turns.ask(container, lambda: self._spawn(self._start(container)))

    async def _start(self, container: Container) -> None:
        if container.phase is not Phase.WAITING:
            return
        container.phase = Phase.STARTING
        slow = self._platform.boot_delay(container.record)
        slow += self._platform.fault(FaultKind.SLOW_BOOT, container.record, "boot") or 0.0
        try:
            if slow:
                self._platform.turns.done(container)
                await self._platform.clock.sleep(slow)
            process = await self._platform.starter.start(container)
        except CannotStart as error:
            self._never_started(container, str(error))
            return
        except asyncio.CancelledError:
            self._gone(container)
            raise
        container.process, container.started_at = process, self._platform.clock.now()
        process.exited.add_done_callback(lambda exited: self._exited(container, exited.result()))
        function = container.record.function
        limit = _startup_timeout_s(function)
        container.deadline = self._platform.timers.after(limit, lambda: self._too_slow(container, limit))
        if container.retiring:
            self.ladder.signal(container, STOP_GRACE_S)
        elif self._platform.fault(FaultKind.CRASH, container.record, "boot") is not None:
            process.kill()

    async def _await_port(self, container: Container, port: int) -> None:
        while container.phase is Phase.STARTING:
            if await ports.answers(port):
                self.ready(container)
                return
            await self._platform.clock.sleep(PORT_LOOK_S)

    def _never_started(self, container: Container, reason: str) -> None:
        self._platform.say(container, f"cannot start: {reason}")
        container.reason = reason
        self._gone(container)
        self._backoff.strike()
        self._host.cannot_start(
            api_pb2.GenericResult(
                status=api_pb2.GenericResult.GENERIC_STATUS_INIT_FAILURE, exception=f"Cannot start: {reason}"
            )
        )

    def _too_slow(self, container: Container, limit_s: float) -> None:
        text = f"Container was not ready within its startup timeout of {limit_s:g} s"
        status = api_pb2.GenericResult.GENERIC_STATUS_TIMEOUT
        self.failed(container, api_pb2.GenericResult(status=status, exception=text))
        self.ladder.kill(container, text)

    def _exited(self, container: Container, code: int) -> None:
        how = f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"
        was_ready, asked = container.ready_at > 0, container.phase is Phase.STOPPING or container.retiring
        lost = list(container.running.values())
        # A container that has to interrupt one of several inputs ends itself, and others get the rest.
        container.stopped_by_us = container.stopped_by_us or bool(container.releasing)
        container.stopped_at = self._platform.clock.now()
        if lost or not asked or code:
            self._platform.say(container, how)
            container.reason = container.reason or how
        self._gone(container)
        if lost:
            self._host.lost(container, lost)
        elif not was_ready and not asked:
            self._died_early(how)
        self._host.changed()

    def _died_early(self, how: str) -> None:
        self._backoff.strike()
        if self._backoff.failures >= GIVE_UP:
            text = f"Container {how} before it took an input, {self._backoff.failures} times in a row"
            status = api_pb2.GenericResult.GENERIC_STATUS_INIT_FAILURE
            self._host.cannot_start(api_pb2.GenericResult(status=status, exception=text))

    def _gone(self, container: Container) -> None:
        if container.phase is Phase.GONE:
            return
        container.phase = Phase.GONE
        container.stopped_at = container.stopped_at or self._platform.clock.now()
        container.cancel_timers()
        container.running.clear()
        container.answer(None)
        if container.heartbeat is not None and not container.heartbeat.done():
            container.heartbeat.set_result(None)
        self.containers.pop(container.id, None)
        self._platform.turns.done(container)
        self._platform.ended(container)
        self._spawn(self._platform.starter.clean(container))

    def _wake_in(self, seconds: float | None) -> None:
        if seconds is None:
            return
        seconds = max(seconds, 0.001)
        if self._wake is not None and self._wake.pending:
            if self._wake.due <= self._platform.clock.monotonic() + seconds:
                return
            self._wake.cancel()
        self._wake = self._platform.timers.after(seconds, self.adjust)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _startup_timeout_s(function: api_pb2.Function) -> float:
    """The client fills in the function's timeout where none is named; a busy laptop is slower at starting than Modal."""
    named = function.http_config.startup_timeout or function.startup_timeout_secs
    if named and named != function.timeout_secs:
        return float(named)
    return float(max(function.timeout_secs, STARTUP_TIMEOUT_S))
