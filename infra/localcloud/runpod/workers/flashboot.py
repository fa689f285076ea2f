"""FlashBoot: a worker forked from a warm process of its image, in tens of milliseconds instead of seconds."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.supervisor import Guardian, ProcessLauncher, Running, Sink, Watched, die_with
from infra.localcloud.runpod.workers.env import BASE, make_private
from infra.localcloud.runpod.workers.worker import new_worker_id

WARM_S = 120.0  # a zygote that is not ready by then is given up
ANSWER_S = 10.0  # for one fork
Enclose = Callable[[Sequence[str], Path], list[str]]  # command, private folder -> the command with its mounts
_ZYGOTE = Path(__file__).with_name("zygote.py")


class Zygote:
    """The warm process of one image (and one set of mounts), and the workers forked from it."""

    def __init__(
        self, python: Sequence[str], env: Mapping[str, str], home: Path, enclose: Enclose, guardian: Guardian
    ) -> None:
        self._guardian = guardian
        self.env = {**BASE, **env, "HOME": str(home)}
        self.workers = 0
        self._retired = False
        here, there = socket.socketpair()
        with there:
            self._popen = subprocess.Popen(
                enclose([*python, str(_ZYGOTE), str(there.fileno())], home.parent),
                env=self.env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(there.fileno(),),
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),
            )
        self._channel = here
        guardian.watch(self._popen.pid)
        self.ready = asyncio.get_running_loop().create_task(self._warm())

    @property
    def alive(self) -> bool:
        return not self._retired and self._popen.poll() is None

    async def warmed(self) -> bool:
        """Waits until it can fork. False: it never will."""
        try:
            return await asyncio.shield(self.ready)
        except asyncio.CancelledError:
            if self.ready.cancelled():
                return False
            raise

    def fork(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: int, errors: int) -> int:
        """Raises OSError."""
        spec = os.memfd_create("worker")
        try:
            os.write(spec, json.dumps({"argv": list(argv), "cwd": str(cwd), "env": dict(env)}).encode())
            os.lseek(spec, 0, os.SEEK_SET)
            socket.send_fds(self._channel, [b"fork"], [spec, output, errors])
            pid = self._answer()
        finally:
            os.close(spec)
        self.workers += 1
        return pid

    def reap(self, pid: int) -> int:
        """The exit code of a worker that has ended; its group is gone already."""
        try:
            self._channel.sendall(f"reap {pid}".encode())
            code = os.waitstatus_to_exitcode(self._answer())
        except OSError:
            code = -9  # the zygote is gone, and its workers with it
        self.workers -= 1
        if self._retired:
            self.retire()
        return code

    def retire(self) -> None:
        """No more workers; it ends with the last that it has."""
        self._retired = True
        if self.workers <= 0:
            self.close()

    def close(self) -> None:
        self._retired = True
        self.ready.cancel()
        if self._popen.returncode is None:
            self._popen.kill()
            self._popen.wait()
            self._guardian.forget(self._popen.pid)
        self._channel.close()

    async def _warm(self) -> bool:
        """Whether it can be used."""
        self._channel.setblocking(False)
        try:
            async with asyncio.timeout(WARM_S):
                ready = await asyncio.get_running_loop().sock_recv(self._channel, 1)
        except (TimeoutError, OSError):
            return False
        self._channel.settimeout(ANSWER_S)
        return bool(ready)

    def _answer(self) -> int:
        answer = self._channel.recv(64)
        if not answer:
            raise OSError("the warm process of this image is gone")
        return int(answer)


class Forked(Watched):
    """A worker that a zygote forked. It is the zygote's child, which reaps it when told to. `fork` makes it, given the
    descriptors that it writes to."""

    def __init__(
        self, zygote: Zygote, fork: Callable[[int, int], int], log: Sink, clock: Clock, guardian: Guardian
    ) -> None:
        self._zygote, self._fork = zygote, fork
        super().__init__(log, None, clock, guardian)

    def _start(self, output: int, errors: int) -> int:
        return self._fork(output, errors)

    def _collect(self) -> int:
        return self._zygote.reap(self.pid)


class FlashBoot:
    """`homes` is where workers' homes lie: what lies there is swept away after a crash of the daemon."""

    def __init__(self, launcher: ProcessLauncher, homes: Path, clock: Clock) -> None:
        self._launcher, self._homes, self._clock = launcher, homes, clock
        self._zygotes: dict[str, Zygote] = {}
        self._users: dict[str, set[str]] = {}  # key: endpoints

    def warm(
        self, key: str, argv: Sequence[str], env: Mapping[str, str], enclose: Enclose, endpoint_id: str
    ) -> Zygote | None:
        """The zygote for this image and these mounts, started if need be, for as long as an endpoint wants it. None for
        a program that cannot be forked: only `python [-u] file.py …` can."""
        split = _split(argv)
        if split is None:
            return None
        zygote = self._zygotes.get(key)
        if zygote is None or not zygote.alive:
            home = self._homes / f"flashboot-{new_worker_id()}" / "home"
            make_private(home)
            zygote = self._zygotes[key] = Zygote(split[0], env, home, enclose, self._launcher.guardian)
        self._users.setdefault(key, set()).add(endpoint_id)
        return zygote

    def launch(
        self, zygote: Zygote, argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Sink
    ) -> Running | None:
        """None when only an ordinary start will do."""
        split = _split(argv)
        # What Python reads when it starts has been read: with other settings it must start anew.
        if split is None or _pythons(env) != _pythons(zygote.env) or not zygote.alive:
            return None
        try:
            fork = partial(zygote.fork, split[1], cwd, env)
            return Forked(zygote, fork, log, self._clock, self._launcher.guardian)
        except OSError:
            zygote.retire()
            return None

    def forget(self, endpoint_id: str) -> None:
        """The endpoint is gone, or has another release: end what nobody else wants."""
        for key, users in list(self._users.items()):
            users.discard(endpoint_id)
            if not users:
                del self._users[key]
                self._zygotes.pop(key).retire()

    def close(self) -> None:
        for zygote in self._zygotes.values():
            zygote.close()


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """The interpreter with its options, and the script with its arguments."""
    words = list(argv)
    script = 1
    while script < len(words) and words[script] in ("-u", "-B"):
        script += 1
    if script >= len(words) or not words[script].endswith(".py"):
        return None
    return words[:script], words[script:]


def _pythons(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith("PYTHON")}
