"""Helpers for RunPod's client: time that only moves when someone waits, and a scripted server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

KEY = "rpa_canary_0123456789"


class Patience:
    """An operation's context whose clock moves by what it waits."""

    def __init__(self, timeout_s: float = 300.0) -> None:
        self.now = 1000.0
        self.timeout_s = timeout_s
        self.started = self.now
        self.said: list[str] = []
        self.slept: list[float] = []

    def status(self, text: str) -> None:
        self.said.append(text)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def remaining(self) -> float:
        return self.timeout_s - (self.now - self.started)

    @property
    def waited(self) -> float:
        return sum(self.slept)


class Script:
    """Answers in order; each is a response, an exception to raise, or a function of the request."""

    def __init__(self, *answers: Any) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self._answers, None)
        if answer is None:
            raise AssertionError(f"unexpected request: {request.method} {request.url}")
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    @property
    def seen(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    body = {"title": "Title", "status": status, "detail": detail, **more}
    content = json.dumps(body).encode()
    return httpx.Response(
        status, content=content, headers={"Content-Type": "application/problem+json", **(headers or {})}
    )


def listing(*raws: dict[str, Any], **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"endpoints": [*raws], **more})


def quota(remaining: int, resets_s: int, quota: int = 60) -> dict[str, str]:
    return {
        "RateLimit-Policy": f'"minute";q={quota};w=60, "hour";q=3000;w=3600',
        "RateLimit": f'"minute";r={remaining};t={resets_s}, "hour";r=2000;t=1800',
    }
