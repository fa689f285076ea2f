"""Worker processes: started in a session of their own, watched by pidfd, and never left behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from infra.localcloud.core.clock import Clock

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Sink(Protocol):
    """Takes what a process writes, as it comes."""

    def feed(self, data: bytes, now: float) -> None: ...


class Running(Protocol):
    """A started worker. `exited` gets the exit code (negative: killed by that signal) once nothing of it runs."""

    pid: int
    exited: "asyncio.Future[int]"

    def interrupt(self) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Launcher(Protocol):
    def launch(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        log: Sink,
        errors: Sink | None = None,
    ) -> Running:
        """`errors` takes what is written to standard error; without it, `log` takes that too."""

    def close(self) -> None: ...


class ProcessLauncher:
    """Launches real processes. Raises OSError when the program cannot be started."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guardian: Guardian | None = None

    def launch(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        log: Sink,
        errors: Sink | None = None,
    ) -> Running:
        return Process(argv, cwd, env, log, errors, self._clock, self.guardian)

    @property
    def guardian(self) -> "Guardian":
        """One that lives."""
        if self._guardian is None or not self._guardian.alive:
            self._guardian = Guardian()
        return self._guardian

    def close(self) -> None:
        if self._guardian is not None:
            self._guardian.close()


class Watched:
    """A process that leads its group, with its output read into a log. Subclasses start and reap it."""

    def __init__(self, log: Sink, errors: Sink | None, clock: Clock, guardian: "Guardian") -> None:
        self._clock, self._guardian = clock, guardian
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._sinks: dict[int, Sink] = {}
        write_ends = [self._pipe(sink) for sink in (log, errors) if sink is not None]
        try:
            self.pid = self._start(write_ends[0], write_ends[-1])
        except (OSError, subprocess.SubprocessError) as error:
            for read_end in self._sinks:
                os.close(read_end)
            raise OSError(str(error)) from error
        finally:
            for write_end in write_ends:
                os.close(write_end)
        guardian.watch(self.pid)
        for read_end in self._sinks:
            os.set_blocking(read_end, False)
            self._loop.add_reader(read_end, self._read, read_end)
        # Waiting for the end of the output instead would hang: a forked heartbeat outlives a crash and holds the pipe.
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._reap)

    def _start(self, output: int, errors: int) -> int:
        """Its pid. The descriptors are those that it writes to."""
        raise NotImplementedError

    def _collect(self) -> int:
        """The exit code of the process, which has ended and was not reaped yet."""
        raise NotImplementedError

    def interrupt(self) -> None:
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    def terminate(self) -> None:
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        if not self.exited.done():
            self._kill_group()

    def _pipe(self, sink: Sink) -> int:
        read_end, write_end = os.pipe()
        self._sinks[read_end] = sink
        return write_end

    def _read(self, read_end: int) -> bool:
        try:
            data = os.read(read_end, 65536)
        except BlockingIOError:
            return False
        if data:
            self._sinks[read_end].feed(data, self._clock.now())
        else:
            self._loop.remove_reader(read_end)
        return bool(data)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        # The group first, while the unreaped leader still holds its number: it cannot be anybody else's.
        self._kill_group()
        code = self._collect()
        self._guardian.forget(self.pid)
        for read_end in self._sinks:
            while self._read(read_end):
                continue
            self._loop.remove_reader(read_end)
            os.close(read_end)
        self.exited.set_result(code)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


class Process(Watched):
    """One that this process starts by itself."""

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        log: Sink,
        errors: Sink | None,
        clock: Clock,
        guardian: "Guardian",
    ) -> None:
        self._argv, self._cwd, self._env = list(argv), cwd, dict(env)
        super().__init__(log, errors, clock, guardian)

    def _start(self, output: int, errors: int) -> int:
        self._popen = subprocess.Popen(
            self._argv,
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),
        )
        return self._popen.pid

    def _collect(self) -> int:
        return self._popen.wait()


class Guardian:
    """The daemon's end of the pipe to guardian.py."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("guardian.py")
        self._popen = subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), "-I", "-S", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
            text=True,
        )
        assert self._popen.stdin is not None
        self._pipe: IO[str] = self._popen.stdin
        self._groups: set[int] = set()

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def watch(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._popen.wait()

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._pipe.write(line)
            self._pipe.flush()


def sweep(homes: Path, variable: str = "HOME") -> list[int]:
    """Kill what an earlier daemon left: processes of this user whose HOME (or other variable) lies under `homes`.
    Returns their ids."""
    prefix = os.fsencode(f"{variable}={homes}/")
    killed = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if any(part.startswith(prefix) for part in (entry / "environ").read_bytes().split(b"\0")):
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(int(entry.name))
        except OSError:
            continue
    return killed


def die_with(parent: int) -> Callable[[], None]:
    """For `preexec_fn`: the child is killed when this process is gone."""

    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
