"""S3 on this machine: versitygw as a child process, objects as plain files below one directory."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.localcloud.core.clock import Clock
from infra.spec.errors import PilotlightError

log = logging.getLogger(__name__)

REGION = "us-east-1"
HEALTH = "/_health"  # no bucket can have this name: they have no underscore
START_S = 10.0
STOP_S = 3.0
PROBE_EVERY_S = 15.0
PROBE_S = 5.0
PROBES_MISSED = 3
RESTART_AFTER_S = (0.0, 0.5, 2.0, 10.0)
LOG_LIMIT = 1 << 20  # bytes


class ObjectStoreError(PilotlightError):
    """The object store is missing, cannot run here, or does not come up."""


@dataclass(frozen=True)
class ObjectStoreConfig:
    binary: Path
    data: Path
    home: Path  # HOME of the child: the mark by which a leftover is found
    log: Path
    port: int
    access_key_id: str
    secret_access_key: str
    preexec: Callable[[], None] | None = None  # runs in the child before it becomes versitygw


class ObjectStore:
    """Started and stopped once; restarted by itself when it dies or no longer answers."""

    def __init__(self, config: ObjectStoreConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.restarts = 0
        self.healthy = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def start(self) -> None:
        """Returns when it answers. ObjectStoreError says why it does not."""
        _check(self.config)
        await self._launch()
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if self._process:
            await _end(self._process, self.clock)
        self.healthy.clear()

    async def answers(self) -> bool:
        """One request to its health path."""
        try:
            async with asyncio.timeout(PROBE_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.config.port)
                try:
                    request = f"GET {HEALTH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                    writer.write(request.encode())
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    async def _launch(self) -> None:
        config = self.config
        if config.log.exists() and config.log.stat().st_size > LOG_LIMIT:
            config.log.write_bytes(b"")
        with config.log.open("ab") as output:
            # A file and not a pipe: asyncio's wait() would wait for the pipe's end, which a grandchild may hold.
            self._process = process = await asyncio.create_subprocess_exec(
                *_command(config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=config.data,
                env=_environment(config),
                preexec_fn=config.preexec,
            )
        end = self.clock.monotonic() + START_S
        while not await self.answers():
            if process.returncode is not None or self.clock.monotonic() > end:
                await _end(process, self.clock)
                raise ObjectStoreError(
                    f"the object store does not come up on port {config.port}: {_last_line(config.log)}",
                    fix=f"see {config.log}",
                )
            await self.clock.sleep(0.02)
        self.healthy.set()

    async def _supervise(self) -> None:
        failures = 0
        while True:
            assert self._process is not None
            watch = asyncio.create_task(self._until_silent())
            await asyncio.wait(
                [watch, died := asyncio.create_task(self._process.wait())], return_when="FIRST_COMPLETED"
            )
            watch.cancel()
            self.healthy.clear()
            reason = f"ended with {self._process.returncode}" if died.done() else "no longer answers"
            log.warning("object store (pid %s) %s; starting it again", self._process.pid, reason)
            await _end(self._process, self.clock)
            self.restarts += 1
            try:
                await self.clock.sleep(RESTART_AFTER_S[min(failures, len(RESTART_AFTER_S) - 1)])
                await self._launch()
                failures = 0
            except (ObjectStoreError, OSError) as error:
                failures += 1
                log.error("object store: %s", error)

    async def _until_silent(self) -> None:
        missed = 0
        while missed < PROBES_MISSED:
            await self.clock.sleep(PROBE_EVERY_S)
            missed = 0 if await self.answers() else missed + 1


def _check(config: ObjectStoreConfig) -> None:
    if not os.access(config.binary, os.X_OK):
        raise ObjectStoreError(
            f"the object store's program is missing: {config.binary}",
            wanted="versitygw",
            fix="run `make setup`",
        )
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    probe = config.data / ".xattr-probe"
    try:
        probe.touch()
        os.setxattr(probe, "user.pilotlight", b"1")
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise
        raise ObjectStoreError(
            f"the file system of {config.data} keeps no extended attributes ({error.strerror})",
            wanted="a file system with user xattrs (ext4, xfs, btrfs), where the object store keeps its metadata",
            fix="move the checkout there",
        ) from None
    finally:
        probe.unlink(missing_ok=True)


def _command(config: ObjectStoreConfig) -> Sequence[str | Path]:
    address = f"127.0.0.1:{config.port}"
    flags = ("--port", address, "--region", REGION, "--health", HEALTH, "--quiet", "--keep-alive")
    return (config.binary, *flags, "posix", "--dir-perms", "0700", "--file-perms", "0600", config.data)


def _environment(config: ObjectStoreConfig) -> dict[str, str]:
    # Keys by environment: arguments are shown to everyone by ps.
    return {
        "HOME": str(config.home),
        "PATH": os.environ.get("PATH", os.defpath),
        "ROOT_ACCESS_KEY": config.access_key_id,
        "ROOT_SECRET_KEY": config.secret_access_key,
        "GOGC": "50",
    }


async def _end(process: asyncio.subprocess.Process, clock: Clock) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        waiting = asyncio.create_task(process.wait())
        grace = asyncio.create_task(clock.sleep(STOP_S))
        await asyncio.wait([waiting, grace], return_when="FIRST_COMPLETED")
        grace.cancel()


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
