"""A provider's process: prints its port, answers, and is gone within milliseconds of being told or orphaned."""

import asyncio
import os
import signal
import stat
import sys
import threading
import time
from typing import Any

import grpc.aio  # type: ignore[import-untyped]

from infra.kit.engine import Engine
from infra.kit.local import seek_root
from infra.kit.protos import provider_pb2_grpc
from infra.kit.provider import Provider
from infra.kit.servicer import Servicer

_LARGEST_MESSAGE = 400 * 1024 * 1024
_POLL_S = 1.0
_SECRET_VARIABLES = ("PULUMI_CONFIG", "PULUMI_CONFIG_SECRET_KEYS", "PULUMI_CONFIG_PASSPHRASE")
"""Hold the configuration with its secrets in plain text, and the key to all others: no child may inherit them."""


def main(provider: Provider[Any]) -> None:
    for name in _SECRET_VARIABLES:
        os.environ.pop(name, None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _exit())
    parent = os.getppid()
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    if _is_pipe(sys.stdin):
        threading.Thread(target=_watch_stdin, daemon=True).start()
    asyncio.run(_serve(provider))


async def start(servicer: Servicer) -> tuple[grpc.aio.Server, int]:
    """A server on a free loopback port, listening."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ]
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def _serve(provider: Provider[Any]) -> None:
    engine = Engine()
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        engine.attach(sys.argv[1])
    server, port = await start(Servicer(provider, engine=engine, root=seek_root()))
    print(port, flush=True)  # noqa: T201 - the engine reads the port from here
    await server.wait_for_termination()


def _exit() -> None:
    """At once: the engine has called Cancel before, and interpreter shutdown may hang in gRPC for seconds."""
    os._exit(0)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    _exit()


def _watch_stdin() -> None:
    """The engine holds the other end of the pipe and never writes: an end of file means that it is gone."""
    while os.read(0, 4096):
        pass
    _exit()


def _is_pipe(stream: Any) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
