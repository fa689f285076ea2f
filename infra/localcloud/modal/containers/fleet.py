"""Modal's data plane on this machine: every function's queue and containers, behind the `Fleet` seam."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from infra.localcloud.core.timers import Timer, Timers
from infra.localcloud.core.waiters import Waiters
from infra.localcloud.modal.calls.book import Book, FunctionCall
from infra.localcloud.modal.calls.bound import refresh
from infra.localcloud.modal.calls.journal import Journal
from infra.localcloud.modal.containers import metering
from infra.localcloud.modal.containers.container import Container
from infra.localcloud.modal.containers.logs import Logs
from infra.localcloud.modal.containers.platform import Platform, Starter, Turns
from infra.localcloud.modal.containers.pool import Pool
from infra.localcloud.modal.containers.start import ProcessStarter
from infra.localcloud.modal.containers.tally import Tally
from infra.localcloud.modal.model import FunctionRecord, LogFilter, LogLine, StatsView, TaskView
from infra.localcloud.modal.world import World
from infra.localcloud.runpod.model import Usage

CLOSE_GRACE_S = 2.0
PAST_TASKS = 200
LOOK_S = 60.0
BILL_S = 60.0  # so that a killed daemon forgets little
# How long results can still be fetched: a caller that waited has them; one that did not may come back (Modal: 7 days).
KEEP_CLEARED_S, KEEP_SYNC_S, KEEP_ASYNC_S = 60.0, 3600.0, 7 * 24 * 3600.0


class LocalFleet:
    """Implements `Fleet`. Make it inside a running event loop, one per `world.state_dir`: what an earlier one left
    running there is killed. `boot_delay` gives the seconds that a machine and its image take to come, where the
    setting `cold_start` is "real"."""

    def __init__(
        self,
        world: World,
        *,
        starter: Starter | None = None,
        boot_delay: Callable[[FunctionRecord], float] | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.world = world
        self.timers = Timers(world.clock)
        self.book = Book()
        self.changed = Waiters(self.timers)
        self.journal = Journal(world, self.timers)
        self.tally = Tally()
        self._pools: dict[str, Pool] = {}
        self._expiries: dict[str, Timer] = {}
        self._past: deque[Container] = deque(maxlen=PAST_TASKS)
        self._logs = Logs(world.state_dir / "logs", world.clock)
        real = world.settings
        self.platform = Platform(
            world=world,
            clock=world.clock,
            timers=self.timers,
            book=self.book,
            journal=self.journal,
            changed=self.changed,
            logs=self._logs,
            starter=starter or ProcessStarter(world, self._logs),
            turns=turns or Turns(),
            tally=self.tally,
            finished=self._finished,
            ended=self._ended,
            boot_delay=lambda record: boot_delay(record) if boot_delay and real.cold_start == "real" else 0.0,
        )

    def open(self) -> None:
        """Take up what there was before a restart: minimum containers start, and calls go on."""
        for item in self.journal.load(self.book):
            record = self.world.functions.get(item.call.function_id)
            if record is None:
                continue
            pool = self.pool(record.function_id)
            pool.submit([item])
            if record.stopped:
                pool.stop("its app was stopped")
        for call in list(self.book.calls.values()):
            if call.done or call.function_id not in self.world.functions:
                self._finished(call)
        for record in self.world.functions.values():
            if record.version and not record.stopped:
                self.apply(record.function_id)
        self._bill()

    def usage(self) -> list[Usage]:
        """What runs now, as if it ended now."""
        now = self.world.clock.now()
        return [metering.usage(container, now) for container in self.living() if container.started_at]

    # As other rooms use it (see `model.Fleet`)

    def apply(self, function_id: str) -> None:
        record = self.world.functions[function_id]
        self._apply(record)
        for bound in refresh(self.world, record):
            if bound.function_id in self._pools:
                self._apply(bound)

    def stop_app(self, app_id: str) -> None:
        for pool in list(self._pools.values()):
            if pool.record.app_id == app_id:
                pool.apply(self.world.functions[pool.record.function_id])
                pool.stop("its app was stopped")

    def stats(self, function_id: str) -> StatsView:
        found = [
            pool.stats()
            for pool in self._pools.values()
            if function_id in (pool.record.function_id, pool.record.base_id)
        ]
        return StatsView(
            backlog=sum(item.backlog for item in found),
            tasks=sum(item.tasks for item in found),
            running_inputs=sum(item.running_inputs for item in found),
            headroom=sum(item.headroom for item in found),
        )

    async def idle(self, app_id: str) -> None:
        mine = {record.function_id for record in self.world.functions.values() if record.app_id == app_id}
        while (
            left := next((i for i in self.book.unfinished() if i.call.function_id in mine), None)
        ) is not None:
            await self.changed.wait(left.call.id, LOOK_S)

    def tasks(self, app_id: str | None = None) -> list[TaskView]:
        living = [item for pool in self._pools.values() for item in pool.crew.containers.values()]
        chosen = [item.view() for item in living if app_id is None or item.record.app_id == app_id]
        return sorted(chosen, key=lambda view: view.enqueued_at)

    def task(self, task_id: str) -> TaskView | None:
        for container in (*self.living(), *self._past):
            if container.id == task_id:
                return container.view()
        return None

    def stop_task(self, task_id: str, graceful: bool) -> bool:
        for pool in self._pools.values():
            container = pool.crew.containers.get(task_id)
            if container is None:
                continue
            if graceful:
                pool.crew.ladder.retire(container)
            else:
                pool.crew.ladder.stop(container, "it was stopped by a user")
            return True
        return False

    def logs(self, app_id: str, wanted: LogFilter, limit: int = 0, after: int = 0) -> list[LogLine]:
        return self._logs.of(app_id).read(wanted, limit, after)

    async def logs_changed(self, app_id: str, after: int) -> None:
        await self._logs.of(app_id).changed(after)

    async def close(self) -> None:
        await asyncio.gather(*(pool.crew.close(CLOSE_GRACE_S) for pool in self._pools.values()))
        self.journal.flush()
        self.timers.close()
        self.platform.starter.close()
        self._logs.close()

    # As calls and containers use it

    def pool(self, function_id: str) -> Pool:
        """RpcError NOT_FOUND for an unknown function."""
        pool = self._pools.get(function_id)
        if pool is None:
            pool = self._apply(self.world.function(function_id))
        return pool

    def container(self, task_id: str | None) -> tuple[Pool, Container]:
        """KeyError for one that does not live."""
        for pool in self._pools.values():
            container = pool.crew.containers.get(task_id or "")
            if container is not None:
                return pool, container
        raise KeyError(task_id)

    def cleared(self, call: FunctionCall) -> None:
        """The caller has what it wanted; its request may still come again."""
        if not call.cleared and call.done:
            call.cleared = True
            self._expire(call, KEEP_CLEARED_S)

    def _apply(self, record: FunctionRecord) -> Pool:
        pool = self._pools.get(record.function_id)
        if pool is None:
            pool = self._pools[record.function_id] = Pool(record, self.platform)
        pool.apply(record)
        return pool

    def _finished(self, call: FunctionCall) -> None:
        self._expire(call, KEEP_SYNC_S if call.sync else KEEP_ASYNC_S)

    def _expire(self, call: FunctionCall, seconds: float) -> None:
        """Forget it then, unless it has got new inputs by that time."""
        if (before := self._expiries.pop(call.id, None)) is not None:
            before.cancel()
        self._expiries[call.id] = self.timers.after(seconds, lambda: self._forget(call))

    def _forget(self, call: FunctionCall) -> None:
        self._expiries.pop(call.id, None)
        if call.done or call.function_id not in self.world.functions:
            self.journal.drop(call)
            self.book.forget(call.id)

    def _ended(self, container: Container) -> None:
        self._past.append(container)
        self.tally.container(container)
        if container.started_at:
            self.world.meter.record(metering.usage(container, container.stopped_at))
        self._logs.of(container.record.app_id).wake()

    def _bill(self) -> None:
        for usage in self.usage():
            self.world.meter.record(usage)
        self.timers.after(BILL_S, self._bill)

    def living(self) -> list[Container]:
        return [item for pool in self._pools.values() for item in pool.crew.containers.values()]


def local_fleet(world: World) -> LocalFleet:
    """The world's fleet in full, for the rooms that are made for it."""
    return cast(LocalFleet, world.fleet)
