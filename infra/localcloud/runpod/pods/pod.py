"""One pod: what its user wants, what its container does, and what its ends mean."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from infra.localcloud.core.faults import Fault, FaultKind
from infra.localcloud.core.namespace import CANNOT_ENTER
from infra.localcloud.core.supervisor import Running
from infra.localcloud.runpod.model import PodRecord, PodStatus, PodView
from infra.localcloud.runpod.pods.container import CannotStart, Workshop
from infra.localcloud.runpod.pods.log import PodLog
from infra.localcloud.runpod.pods.ports import PodPorts
from infra.localcloud.runpod.workers.logs import last_words

T = TypeVar("T")
_log = logging.getLogger(__name__)

STOP_GRACE_S = 10.0  # from SIGTERM to SIGKILL
STOCK_S = 10.0  # between two looks for a free machine
CRASHES = 3  # in a row, then the pod is in error
STEADY_S = 600.0  # a container that ran so long starts the count of crashes anew
RESTART_S = 1.0  # before the second container, then twice as long each time


class _Superseded(Exception):
    """Something else is wanted now."""


class Pod:
    """`wanted` counts the containers that were asked for, None while none is; `drive` brings about what is wanted.
    `ended` is called when the container ended by itself, for good."""

    def __init__(
        self,
        record: PodRecord,
        workshop: Workshop,
        log: PodLog,
        ended: Callable[["Pod"], None],
        stock: Callable[[PodRecord], str],
        delay: Callable[[PodRecord], float],
        taken: Callable[["Pod"], Collection[int]],
    ) -> None:
        self.record, self.log, self.ports = record, log, PodPorts()
        self.status, self.reason = PodStatus.EXITED, ""
        self.started_at: float | None = None
        self.exit_code: int | None = None
        self._workshop, self._ended, self._taken = workshop, ended, taken
        self._stock, self._delay = stock, delay
        self._process: Running | None = None
        self._wanted = False
        self._closed = False
        self._grace_s = STOP_GRACE_S
        self._change = asyncio.Event()
        self._driver = asyncio.create_task(self._drive())

    @property
    def up(self) -> bool:
        return self._wanted

    def view(self) -> PodView:
        return PodView(self.status, self.started_at, self.exit_code, self.reason, dict(self.ports.mapping))

    def start(self) -> None:
        """A fresh container."""
        self._wanted = True
        self._enter(PodStatus.PROVISIONING)
        self.started_at = None
        self.log.open()
        self._changed()

    def stop(self) -> None:
        self._wanted = False
        self._enter(PodStatus.EXITED)
        self._changed()

    def settle(self, status: PodStatus, reason: str, exit_code: int | None, started_at: float | None) -> None:
        """It is at its end, and is not started by being applied."""
        self._wanted = False
        self.status, self.reason, self.exit_code, self.started_at = status, reason, exit_code, started_at

    async def end(self, grace_s: float) -> None:
        """Returns when nothing of it runs."""
        self._closed, self._wanted, self._grace_s = True, False, grace_s
        self._changed()
        await self._driver
        self.log.release(self._workshop.clock.now())

    def _enter(self, status: PodStatus, reason: str = "") -> None:
        self.status, self.reason, self.exit_code = status, reason, None

    def _changed(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()

    async def _drive(self) -> None:
        while not self._closed:
            change = self._change
            if not self._wanted:
                await change.wait()
                continue
            try:
                await self._run(change)
            except _Superseded:
                pass
            except CannotStart as error:
                if not change.is_set():
                    self._finish(PodStatus.ERROR, str(error), None)
            except Exception as error:
                _log.exception("pod %s", self.record.id)
                if not change.is_set():
                    self._finish(PodStatus.ERROR, f"cannot run here: {error}", None)
            finally:
                self.ports.close()
                await self._end_process()

    async def _run(self, change: asyncio.Event) -> None:
        """From nothing to the end of its last container. Raises _Superseded, CannotStart."""
        record = self.record
        await self._machine(record, change)
        image = await self._unless(
            change, asyncio.shield(asyncio.ensure_future(self._workshop.image(record)))
        )
        if boot_s := self._boot_s(record):
            await self._unless(change, self._workshop.clock.sleep(boot_s))
        await self._workshop.empty_disk(record.id)
        crashes = 0
        while True:
            _check(change)
            self._enter(PodStatus.STARTING)
            await self.ports.open(record.ports, self._taken(self))
            _check(change)
            for note in self.ports.notes:
                self._say(note)
            self.ports.notes.clear()
            self._say(f"starting {record.image}")
            process = await self._workshop.launch(record, image, self.ports.environment(), self.log)
            self._process = process
            _check(change)
            self._enter(PodStatus.RUNNING)
            self.started_at = self._workshop.clock.now()
            if self._fault(FaultKind.CRASH):
                process.kill()
            code = await self._unless(change, asyncio.shield(process.exited))
            self._process = None
            self.ports.close()
            await self._workshop.end_strays(record.id)
            _check(change)
            how = f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"
            self._say(f"the container {how}")
            if code == 0:
                self._finish(PodStatus.EXITED, "", 0)
                return
            lived = self._workshop.clock.now() - self.started_at
            crashes = 1 if lived > STEADY_S else crashes + 1
            if crashes == CRASHES or code == CANNOT_ENTER:
                times = f" ({crashes} times in a row)" if crashes > 1 else ""
                self._finish(PodStatus.ERROR, last_words(self.log, f"the container {how}{times}"), code)
                return
            self._enter(PodStatus.STARTING, last_words(self.log, f"the container {how}"))
            await self._unless(change, self._workshop.clock.sleep(RESTART_S * 2 ** (crashes - 1)))

    async def _machine(self, record: PodRecord, change: asyncio.Event) -> None:
        while True:
            reason = self._stock(record)
            if not reason and self._fault(FaultKind.STOCK_OUT):
                reason = "no machine is free now"
            if not reason:
                self.reason = ""
                return
            if reason != self.reason:
                self._say(reason)
            self.reason = reason
            await self._unless(change, self._workshop.clock.sleep(STOCK_S))

    def _boot_s(self, record: PodRecord) -> float:
        fault = self._fault(FaultKind.SLOW_BOOT)
        return self._delay(record) + (fault.seconds if fault else 0.0)

    def _fault(self, kind: FaultKind) -> Fault | None:
        return self._workshop.faults.take({kind}, "POST", f"/v2/pods/{self.record.id}/boot")

    async def _unless(self, change: asyncio.Event, awaited: Awaitable[T]) -> T:
        """What is awaited. Raises _Superseded as soon as something else is wanted."""
        coming = asyncio.ensure_future(awaited)
        changed = asyncio.ensure_future(change.wait())
        waited_for: list[asyncio.Future[Any]] = [coming, changed]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()
        if change.is_set():
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            raise _Superseded
        return coming.result()

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            grace = asyncio.ensure_future(self._workshop.clock.sleep(self._grace_s))
            exited: list[asyncio.Future[Any]] = [asyncio.shield(process.exited), grace]
            await asyncio.wait(exited, return_when=asyncio.FIRST_COMPLETED)
            grace.cancel()
            process.kill()
            await process.exited
            await self._workshop.end_strays(self.record.id)
            self._say("stopped")
        if not self._wanted:
            self.log.close(self._workshop.clock.now())

    def _finish(self, status: PodStatus, reason: str, code: int | None) -> None:
        if reason:
            self._say(reason)
        self._wanted = False
        self._enter(status, reason)
        self.exit_code = code
        self._ended(self)

    def _say(self, text: str) -> None:
        self.log.system(text, self._workshop.clock.now())


def _check(change: asyncio.Event) -> None:
    if change.is_set():
        raise _Superseded
