import asyncio
import errno
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.localcloud.core.clock import RealClock
from infra.localcloud.daemon.assembly import _versitygw
from infra.localcloud.daemon.paths import CloudPaths
from infra.localcloud.daemon.ports import bind, number
from infra.localcloud.storage import objectstore
from infra.localcloud.storage.objectstore import ObjectStore, ObjectStoreConfig, ObjectStoreError

pytestmark = pytest.mark.xdist_group("cloud")

REPOSITORY = Path(__file__).parents[3]


def config(tmp_path: Path, binary: Path) -> ObjectStoreConfig:
    free = bind(0)
    assert free is not None
    port = number(free)
    free.close()
    return ObjectStoreConfig(
        binary, tmp_path / "data", tmp_path, tmp_path / "log", port, "ACCESS", "a secret key"
    )


@asynccontextmanager
async def started(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    binary = _versitygw(CloudPaths(REPOSITORY))
    if shutil.which(binary) is None:
        pytest.skip("versitygw is missing: `make setup` builds it")
    store = ObjectStore(config(tmp_path, binary), RealClock())
    await store.start()
    try:
        yield store
    finally:
        await store.stop()
        assert store.pid is None


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "versitygw"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0)


def refusal(configured: ObjectStoreConfig) -> str:
    with pytest.raises(ObjectStoreError) as caught:
        asyncio.run(ObjectStore(configured, RealClock()).start())
    return str(caught.value)


def test_it_answers_after_start_and_not_after_stop(tmp_path: Path) -> None:
    async def body() -> None:
        async with started(tmp_path) as store:
            assert store.healthy.is_set()
            assert await store.answers()
        assert not await store.answers()

    asyncio.run(body())


def test_a_store_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objectstore, "PROBE_EVERY_S", 0.02)
    monkeypatch.setattr(objectstore, "PROBE_S", 0.1)
    monkeypatch.setattr(objectstore, "STOP_S", 0.1)

    async def body() -> None:
        async with started(tmp_path) as store:
            hung = store.pid
            assert hung is not None
            os.kill(hung, signal.SIGSTOP)
            await until(lambda: store.restarts == 1 and store.healthy.is_set())
            assert store.pid != hung

    asyncio.run(body())


def test_one_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    said = refusal(config(tmp_path, script(tmp_path, "echo 'address already in use' >&2; exit 1")))
    assert "address already in use" in said


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    said = refusal(config(tmp_path, tmp_path / "no-such-program"))
    assert "no-such-program" in said
    assert "make setup" in said


def test_a_file_system_without_attributes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    said = refusal(config(tmp_path, script(tmp_path, "exit 0")))
    assert "extended attributes" in said
    assert str(tmp_path) in said


def test_its_secret_is_not_among_its_arguments(tmp_path: Path) -> None:
    async def body() -> None:
        async with started(tmp_path) as store:
            assert b"a secret key" not in Path(f"/proc/{store.pid}/cmdline").read_bytes()

    asyncio.run(body())
