"""A Python that has imported what the worker SDK needs, but not the SDK, and forks a worker whenever asked.

Run by an image's own interpreter, so it imports nothing of the project: `python -u zygote.py DESCRIPTOR`. Over the
socket come one-line requests, each answered with one number, after a first "1" for readiness:
`fork` with three descriptors (a JSON of argv, cwd and env; output; errors) gives the pid, `reap PID` the wait status.
The SDK binds its addresses when it is imported, so a worker imports it after the fork, unmodified, from warm modules.
"""

import builtins
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
import types

PR_SET_PDEATHSIG = 1
SDK = "runpod"


def main(descriptor: int) -> tuple[types.CodeType, dict[str, object]]:
    """Returns only in a worker: what to run as `__main__`."""
    channel = socket.socket(fileno=descriptor)
    preload()
    gc.collect()
    gc.freeze()  # or the first collection of a worker would copy every page that it shares with us
    channel.sendall(b"1")
    parent = os.getpid()
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, 64, 3)
        if not request:
            os._exit(0)
        if request.startswith(b"fork"):
            pid = os.fork()
            if pid == 0:
                channel.close()
                return become_worker(parent, *descriptors)
            for number in descriptors:
                os.close(number)
            channel.sendall(str(pid).encode())
        else:
            channel.sendall(str(os.waitpid(int(request.split()[1]), 0)[1]).encode())


def preload() -> None:
    """Import all that the SDK imports, except the SDK. A scout finds out what that is."""
    try:
        import cpuinfo  # type: ignore[import-untyped]
    except ImportError:
        pass
    else:
        about = cpuinfo.get_cpu_info()  # takes over a second, and the processor stays the same
        cpuinfo.get_cpu_info = lambda: dict(about)
    read_end, write_end = os.pipe()
    scout = os.fork()
    if scout == 0:
        names = []
        try:
            os.close(read_end)
            silence()
            before = set(sys.modules)
            importlib.import_module(SDK)
            names = [name for name in sys.modules if name not in before and name.partition(".")[0] != SDK]
        finally:
            with os.fdopen(write_end, "w") as file:
                json.dump(names, file)
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as file:
        found = file.read()
    os.waitpid(scout, 0)
    for name in json.loads(found or "[]"):
        try:
            importlib.import_module(name)
        except BaseException:  # some only exist within others
            continue


def silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)


def become_worker(
    parent: int, spec: int, output: int, errors: int
) -> tuple[types.CodeType, dict[str, object]]:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    with os.fdopen(spec) as file:
        wanted = json.load(file)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (errors, 2)):
        os.dup2(source, target)
        os.close(source)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv = wanted["argv"]
    script = sys.argv[0]
    sys.path.insert(0, os.path.dirname(script))
    module = types.ModuleType("__main__")
    module.__file__ = script
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    with open(script, "rb") as file:
        return compile(file.read(), script, "exec"), module.__dict__


if __name__ == "__main__":
    del sys.path[0]  # this file's folder
    code, names = main(int(sys.argv[1]))
    exec(code, names)
