"""Fixtures for Modal's provider. The client reads where its configuration lies when it is imported."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ["MODAL_CONFIG_PATH"] = "/nonexistent/modal.toml"

if TYPE_CHECKING:
    from tests.modal.world import World


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(anyio_backend: str, tmp_path: Path) -> AsyncIterator["World"]:
    from tests.modal.world import World

    async with World.open(tmp_path) as world:
        yield world
