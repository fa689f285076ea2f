"""HTTP to one forge: one place for the token, retries, rate limits and pages."""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from infra.forge.errors import EffectUnknown, ForgeError, RateLimited, Unavailable, refusal, words

USER_AGENT = "pilotlight/0.1"
# A comment late by this much still is of use; a job that hangs for longer is not.
PATIENCE_S = 180.0
_ATTEMPTS = 5
_FIRST_BACKOFF_S = 1.0
_LONGEST_BACKOFF_S = 20.0
# GitHub asks for a minute where a secondary limit names no time: docs.github.com/rest, "Rate limits for the REST API".
_BLIND_LIMIT_WAIT_S = 60.0
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_MOST_PAGES = 1000


@dataclass
class Clock:
    """Where time comes from. `epoch` is for the limits that name a moment."""

    monotonic: Callable[[], float] = time.monotonic
    epoch: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


@dataclass
class Api:
    """`auth`: the header that carries the token; `say` is told of every wait."""

    forge: str
    base_url: str
    auth: tuple[str, str]
    token: str = field(repr=False)
    token_source: str
    say: Callable[[str], None] = lambda text: None
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._deadline = self.clock.monotonic() + PATIENCE_S
        self._http = httpx.Client(
            base_url=self.base_url.rstrip("/"),
            headers={self.auth[0]: self.auth[1], "User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=_TIMEOUT,
            # Building a TLS context costs tens of milliseconds, which plain http does not need.
            verify=self.base_url.startswith("https:"),
            # A proxy of the environment must not see what is meant for this machine.
            trust_env=not self.base_url.startswith("http://127.0.0.1"),
        )

    def get(self, path: str, doing: str, params: Mapping[str, str] | None = None) -> Any:
        return self._json(self._request("GET", path, doing, params=params), doing)

    def pages(self, path: str, doing: str, params: Mapping[str, str]) -> Iterator[Any]:
        """The items of all pages of a list. The next page is counted, so that no answer can send the token elsewhere."""
        for page in range(1, _MOST_PAGES + 1):
            answer = self._request("GET", path, doing, params={**params, "page": str(page)})
            # Gitea writes some empty lists as null.
            items = self._json(answer, doing) or []
            if not isinstance(items, list):
                raise self._unexpected(doing)
            yield from items
            if not items or not _has_next(answer.headers):
                return
        raise ForgeError(f"{self.forge} has more than {_MOST_PAGES} pages for the attempt to {doing}")

    def send(self, method: str, path: str, doing: str, body: Mapping[str, str]) -> Any:
        """PUT or PATCH: the same however often it is done. POST: sent once, or EffectUnknown."""
        answer = self._request(method, path, doing, body=body, once=method == "POST")
        return self._json(answer, doing)

    def _request(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            unsent = False
            try:
                answer = self._http.request(method, path, params=params, json=body)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL)
                cause = self.redacted(str(error) or type(error).__name__)
                failure = Unavailable(
                    f"{self.forge} at {self.base_url} did not answer the attempt to {doing} ({cause})",
                    fix="is the address right and reachable from here? Then run it again: nothing is posted twice",
                )
            else:
                if answer.is_success:
                    return answer
                said = self.redacted(words(_payload(answer)))
                wait = self._limit(answer)
                if wait is not None:
                    self._hold(wait, attempt, doing, said)
                    continue
                if answer.status_code < 500:
                    size = len((body or {}).get("body", ""))
                    raise refusal(
                        answer.status_code,
                        said,
                        doing,
                        forge=self.forge,
                        token_source=self.token_source,
                        size=size,
                    )
                failure = Unavailable(
                    f"{self.forge} failed to {doing} ({answer.status_code}{': ' + said if said else ''})",
                    fix="run it again later: nothing is posted twice",
                )
            if once and not unsent:
                raise EffectUnknown(failure.what, fix=failure.fix)
            self._back_off(attempt, failure)

    def _limit(self, answer: httpx.Response) -> float | None:
        """Seconds to wait before the next request if this was a rate limit; None if it was something else."""
        status, headers = answer.status_code, answer.headers
        exhausted = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"
        after = _retry_after(headers, self.clock.epoch())
        if status not in (403, 429, 503) or (
            status == 403 and after is None and not exhausted and not _secondary(answer)
        ):
            return None
        if after is not None:
            return after
        if status == 503:
            return None
        reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
        if exhausted and reset.isdigit():
            return max(0.0, int(reset) - self.clock.epoch())
        return _BLIND_LIMIT_WAIT_S

    def _hold(self, seconds: float, attempt: int, doing: str, said: str) -> None:
        # "Now" from one that has just refused would be a storm.
        seconds = max(seconds, _FIRST_BACKOFF_S) + self.clock.jitter()
        left = self._deadline - self.clock.monotonic()
        if seconds > left or attempt >= _ATTEMPTS:
            raise RateLimited(
                f"{self.forge}'s rate limit leaves no room to {doing}: it asks to wait {seconds:.0f} s ({said})",
                wanted=f"at most {max(0.0, left):.0f} s",
                fix="run it again then; what is posted is not posted twice",
            )
        self.say(f"{self.forge}'s rate limit is used up: waiting {seconds:.0f} s")
        self.clock.sleep(seconds)

    def _back_off(self, attempt: int, failure: ForgeError) -> None:
        seconds = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** (attempt - 1)) * (
            0.5 + self.clock.jitter() / 2
        )
        if attempt >= _ATTEMPTS or seconds > self._deadline - self.clock.monotonic():
            raise failure
        self.say(f"{failure.what}: trying again in {seconds:.0f} s")
        self.clock.sleep(seconds)

    def _json(self, answer: httpx.Response, doing: str) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise self._unexpected(doing) from error

    def _unexpected(self, doing: str) -> ForgeError:
        return ForgeError(
            f"{self.base_url} answers the attempt to {doing} with something that {self.forge} would not say",
            fix=f"is it the address of {self.forge}'s API? Give it with --api-url",
        )

    def shaped(self, doing: str, build: Callable[[], Any]) -> Any:
        """What `build` makes of an answer, or the error that says whose answer was odd."""
        try:
            return build()
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise self._unexpected(doing) from error

    def redacted(self, text: str) -> str:
        return text.replace(self.token, "[secret]") if self.token else text


def _has_next(headers: Mapping[str, str]) -> bool:
    return bool(re.search(r'rel="?next"?', headers.get("link", ""))) or bool(headers.get("x-next-page", ""))


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now) if value else None
    except ValueError:
        return None


def _secondary(answer: httpx.Response) -> bool:
    return "secondary rate limit" in answer.text.lower()


def _payload(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text
