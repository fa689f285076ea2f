"""Fixtures for RunPod's client: scripted servers, and time that only moves when someone waits."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.runpod.client import RunPodClient
from infra.runpod.serverless import Serverless
from tests.runpod.helpers import KEY, Patience
from tests.runpod.world import World


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def client_of(patience: Patience) -> Callable[[Callable[[httpx.Request], httpx.Response]], RunPodClient]:
    def build(handler: Callable[[httpx.Request], httpx.Response]) -> RunPodClient:
        return RunPodClient(
            KEY,
            "https://runpod.test",
            transport=httpx.MockTransport(handler),
            monotonic=lambda: patience.now,
            jitter=itertools.repeat(0.5).__next__,
        )

    return build


@pytest.fixture
def serverless_of(
    client_of: Callable[[Callable[[httpx.Request], httpx.Response]], RunPodClient],
) -> Callable[[Callable[[httpx.Request], httpx.Response]], Serverless]:
    return lambda handler: Serverless(client_of(handler))


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    return asyncio.run


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(anyio_backend: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.open(tmp_path) as world:
        yield world
