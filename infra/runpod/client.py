"""HTTP to RunPod's REST v2: one place for credentials, quotas, retries and errors. httpx loads on the first request."""

import asyncio
import importlib
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from infra.runpod.errors import (
    API_KEY_VARIABLE,
    EffectUnknown,
    RateLimited,
    RunPodError,
    Unavailable,
    from_answer,
)
from infra.runpod.ratelimit import RateBudget

if TYPE_CHECKING:
    import httpx

DEFAULT_BASE_URL = "https://api.runpod.io"
USER_AGENT = "pilotlight/0.1 (pulumi-resource-pilotlight-runpod)"

# Beyond this many requests at once RunPod gains us nothing, and a 429 would hit all of them.
_CONCURRENCY = 16
_ATTEMPTS = 6
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 20.0
_BLIND_429_WAIT_S = 5.0
_CONNECT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 60.0
_SHORTEST_SECRET = 4


class Waiting(Protocol):
    """What the client needs of an operation's context: to say why it waits, to wait, and how long it may."""

    def status(self, text: str) -> None: ...
    async def sleep(self, seconds: float) -> None: ...
    def remaining(self) -> float: ...


class Patience:
    """How to wait where no operation of a resource does: `seconds` in all. `say` is told what is waited for."""

    def __init__(self, seconds: float = 60.0, say: Callable[[str], None] = lambda text: None) -> None:
        self._left = seconds
        self._say = say

    def status(self, text: str) -> None:
        self._say(text)

    async def sleep(self, seconds: float) -> None:
        self._left -= seconds
        await asyncio.sleep(seconds)

    def remaining(self) -> float:
        return max(0.0, self._left)


class RunPodClient:
    """One per provider process: every operation shares its connections and its rate budget."""

    def __init__(
        self,
        api_key: str,
        base_url: str = DEFAULT_BASE_URL,
        *,
        key_source: str = API_KEY_VARIABLE,
        transport: "httpx.AsyncBaseTransport | None" = None,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.now = monotonic
        self._api_key = api_key
        self._key_source = key_source
        self._transport = transport
        self._jitter = jitter
        self._budget = RateBudget()
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._http: httpx.AsyncClient | None = None

    async def get(self, ctx: Waiting, path: str, doing: str, params: dict[str, str] | None = None) -> Any:
        return await self._request(ctx, "GET", path, doing, params=params)

    async def post(
        self,
        ctx: Waiting,
        path: str,
        doing: str,
        body: dict[str, Any],
        secrets: Iterable[str] = (),
        *,
        repeatable: bool = False,
    ) -> Any:
        """Sent once: a lost answer raises EffectUnknown, and the caller looks before sending again.

        `repeatable`: the same effect however often it is done, so it is simply sent again.
        """
        once = not repeatable
        return await self._request(ctx, "POST", path, doing, body=body, secrets=secrets, once=once)

    async def patch(
        self, ctx: Waiting, path: str, doing: str, body: dict[str, Any], secrets: Iterable[str] = ()
    ) -> Any:
        return await self._request(ctx, "PATCH", path, doing, body=body, secrets=secrets)

    async def delete(self, ctx: Waiting, path: str, doing: str) -> None:
        await self._request(ctx, "DELETE", path, doing)

    async def lines(self, path: str, params: dict[str, str], *, limit: int, patience_s: float) -> list[str]:
        """The first `data:` payloads of an event stream: up to `limit`, or what comes before it falls silent."""
        httpx = _httpx()
        found: list[str] = []
        timeout = httpx.Timeout(patience_s, connect=_CONNECT_TIMEOUT_S)
        try:
            async with self._open().stream("GET", path, params=params, timeout=timeout) as answer:
                if answer.status_code != 200:
                    return found
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        found.append(line[5:].strip())
                    if len(found) >= limit:
                        break
        except httpx.HTTPError:
            return found
        return found

    async def follow(self, path: str, params: dict[str, str]) -> AsyncIterator[str]:
        """The `data:` payloads of an event stream as they come, until it ends or breaks. Never raises."""
        httpx = _httpx()
        timeout = httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S)
        try:
            async with self._open().stream("GET", path, params=params, timeout=timeout) as answer:
                if answer.status_code != 200:
                    return
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        yield line[5:].strip()
        except httpx.HTTPError:
            return

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _request(
        self,
        ctx: Waiting,
        method: str,
        path: str,
        doing: str,
        *,
        params: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        secrets: Iterable[str] = (),
        once: bool = False,
    ) -> Any:
        httpx = _httpx()
        hidden = [self._api_key, *secrets]
        failure: RunPodError
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._slots:
                    await self._await_quota(ctx, doing)
                    answer = await self._send(method, path, params, body)
            except httpx.TransportError as error:
                failure = self._unreachable(error, doing, hidden)
                unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            else:
                if answer.status_code < 400:
                    return self._parsed(answer, doing)
                if answer.status_code == 429:
                    await self._throttled(ctx, answer, doing)
                    continue
                failure = from_answer(
                    answer.status_code, redacted(_body(answer), hidden), doing, self._key_source
                )
                unsent = False
            if not isinstance(failure, Unavailable):
                raise failure
            if once and not unsent:
                raise EffectUnknown(failure.what, status=failure.status) from failure
            await self._back_off(ctx, attempt, failure)

    async def _send(
        self, method: str, path: str, params: dict[str, str] | None, body: dict[str, Any] | None
    ) -> "httpx.Response":
        self._budget.take()
        headers = None
        try:
            answer = await self._open().request(method, path, params=params, json=body)
            # GraphQL counts by itself.
            headers = answer.headers if path.startswith("/v2") else None
        finally:
            self._budget.done(headers, self.now())
        return answer

    async def _await_quota(self, ctx: Waiting, doing: str) -> None:
        while (seconds := self._budget.delay(self.now())) > 0:
            if seconds > ctx.remaining():
                raise RateLimited(
                    f"RunPod's rate limit leaves no room to {doing}: it resets in {seconds:.0f} s",
                    status=429,
                    fix="run it again then, or give the resource a longer customTimeouts",
                )
            ctx.status(f"RunPod's rate limit is used up: waiting {seconds:.0f} s")
            await ctx.sleep(seconds + self._jitter() * 0.25)

    async def _throttled(self, ctx: Waiting, answer: "httpx.Response", doing: str) -> None:
        seconds = self._budget.refused(answer.headers, self.now(), _BLIND_429_WAIT_S * (0.5 + self._jitter()))
        if seconds <= 0:
            # "Retry now" from a server that has just refused would be a storm.
            await ctx.sleep(self._jitter())
            if ctx.remaining() <= 0:
                raise RateLimited(f"RunPod kept refusing to {doing} (429) until the time was up", status=429)

    async def _back_off(self, ctx: Waiting, attempt: int, failure: RunPodError) -> None:
        seconds = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** (attempt - 1)) * (0.5 + self._jitter() / 2)
        if attempt >= _ATTEMPTS or seconds > ctx.remaining():
            failure.fix = failure.fix or "see https://uptime.runpod.io, then run it again: nothing is lost"
            raise failure
        ctx.status(f"{failure.what}: trying again in {seconds:.0f} s")
        await ctx.sleep(seconds)

    def _parsed(self, answer: "httpx.Response", doing: str) -> Any:
        if answer.status_code == 204 or not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise RunPodError(
                f"RunPod's answer to the attempt to {doing} is not JSON ({answer.status_code})",
                status=answer.status_code,
                fix=f"is {self.base_url} RunPod's REST API? See baseUrl or RUNPOD_API_BASE_URL",
            ) from error

    def _unreachable(self, error: Exception, doing: str, hidden: Iterable[str]) -> Unavailable:
        cause = redacted(str(error) or type(error).__name__, hidden)
        return Unavailable(
            f"RunPod did not answer the attempt to {doing} ({cause})",
            fix=f"is {self.base_url} reachable from here? It is set by baseUrl or RUNPOD_API_BASE_URL",
        )

    def _open(self) -> "httpx.AsyncClient":
        if self._http is None:
            httpx = _httpx()
            self._http = httpx.AsyncClient(
                base_url=self.base_url,
                headers={"Authorization": f"Bearer {self._api_key}", "User-Agent": USER_AGENT},
                timeout=httpx.Timeout(_ANSWER_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
                transport=self._transport,
                # Building a TLS context costs tens of milliseconds, which plain http does not need.
                verify=self.base_url.startswith("https:"),
                # A proxy of the environment must not see what is meant for this machine.
                trust_env=not self.base_url.startswith("http://127.0.0.1"),
            )
        return self._http


def _httpx() -> Any:
    """httpx without its command line, which would load click and rich: three times the cost of httpx itself."""
    if "httpx" not in sys.modules:
        modules: dict[str, Any] = sys.modules
        modules["httpx._main"] = None
        try:
            return importlib.import_module("httpx")
        finally:
            del modules["httpx._main"]
    return sys.modules["httpx"]


def _body(answer: "httpx.Response") -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def redacted(value: Any, hidden: Iterable[str]) -> Any:
    """The value with every secret blanked out, wherever it stands in the text."""
    text = json.dumps(value)
    for secret in hidden:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(json.dumps(secret)[1:-1], "[secret]")
    return json.loads(text)
