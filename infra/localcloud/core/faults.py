"""Faults on purpose: what a real cloud does on a bad day, asked for by name so that tests can rehearse it."""

import json
import random
from collections.abc import Callable, Collection
from contextlib import suppress
from enum import Enum
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import BaseModel, ConfigDict, Field

from infra.localcloud.core.clock import Clock


class FaultKind(Enum):
    """The first seven befall requests (`Faults.middleware`), the others workers, which ask with `Faults.take`."""

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    SLOW = "slow"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    GONE = "gone"
    LOST_ANSWER = "lost_answer"
    STOCK_OUT = "stock_out"
    SLOW_BOOT = "slow_boot"
    CRASH = "crash"


REQUEST_FAULTS = frozenset(list(FaultKind)[:7])


class Fault(BaseModel):
    """One fault. It strikes `times` times (until taken away where unset), each time with probability `rate`.

    DROP_BEFORE closes the connection before anything happened; DROP_AFTER and LOST_ANSWER let it happen first, then
    close the connection or answer 500 in place of the result. `path` is a prefix of the request's path, and
    `target` the server: "runpod", "runpod_s3" (network volumes), "registry", or "modal", whose paths are
    "/<RPC name>".
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    path: str = "/"
    methods: list[str] = Field(default_factory=list)
    target: str = "runpod"
    times: int | None = Field(default=None, ge=1)
    rate: float = Field(default=1.0, gt=0, le=1)
    status: int = Field(default=500, ge=500, le=599)
    seconds: float = Field(
        default=1.0, ge=0, description="RATE_LIMIT: Retry-After; SLOW, SLOW_BOOT: the delay"
    )

    def befalls(self, target: str, method: str, path: str) -> bool:
        fits_method = not self.methods or method in (name.upper() for name in self.methods)
        return fits_method and target == self.target and path.startswith(self.path)


class Faults:
    """The faults in force. `/_local/` is never struck, so that a storm can always be called off."""

    def __init__(self, clock: Clock, faults: dict[str, Fault] | None = None, *, seed: int = 0) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._faults: dict[str, Fault] = {}
        self._listeners: list[Callable[[], None]] = []
        self.replace(faults or {})

    def on_change(self, listener: Callable[[], None]) -> None:
        """Called when faults are put in force or called off."""
        self._listeners.append(listener)

    def replace(self, faults: dict[str, Fault]) -> None:
        self._faults = {name: fault.model_copy() for name, fault in faults.items()}
        for listener in self._listeners:
            listener()

    def active(self) -> dict[str, Fault]:
        """By name, with `times` counted down; a spent fault is gone."""
        return dict(self._faults)

    def take(
        self, kinds: Collection[FaultKind], method: str, path: str, target: str = "runpod"
    ) -> Fault | None:
        """The first fault of these kinds that strikes now, counted as used."""
        for name, fault in self._faults.items():
            if fault.kind not in kinds or not fault.befalls(target, method, path):
                continue
            if fault.rate < 1 and self._random.random() >= fault.rate:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    del self._faults[name]
            return fault
        return None

    def middleware(self, target: str = "runpod") -> Middleware:
        @web.middleware
        async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith("/_local/"):
                return await handler(request)
            fault = self.take(REQUEST_FAULTS, request.method, request.path, target)
            if fault is None:
                return await handler(request)
            return await self._strike(fault, request, handler)

        return strike

    async def _strike(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        if fault.kind is FaultKind.SLOW:
            await self._clock.sleep(fault.seconds)
            return await handler(request)
        if fault.kind is FaultKind.DROP_BEFORE:
            return _hang_up(request)
        if fault.kind in (FaultKind.DROP_AFTER, FaultKind.LOST_ANSWER):
            with suppress(web.HTTPException):
                await handler(request)
            if fault.kind is FaultKind.DROP_AFTER:
                return _hang_up(request)
            return _problem(
                fault.status, "Internal Server Error", "internal error (injected, after the effect)"
            )
        if fault.kind is FaultKind.RATE_LIMIT:
            seconds = max(1, round(fault.seconds))
            answer = _problem(429, "Too Many Requests", "rate limit exceeded for the minute window")
            answer.headers["Retry-After"] = str(seconds)
            answer.headers["RateLimit"] = f'"minute";r=0;t={seconds}'
            return answer
        if fault.kind is FaultKind.GONE:
            return _problem(410, "Gone", "this API has been retired (injected)")
        return _problem(fault.status, "Internal Server Error", "internal error (injected)")


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _problem(status: int, title: str, detail: str) -> web.Response:
    body: dict[str, Any] = {"title": title, "status": status, "detail": detail}
    return web.Response(text=json.dumps(body), status=status, content_type="application/problem+json")
