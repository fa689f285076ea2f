"""The CrossGuard pack: `pulumi preview --policy-pack policies`. Serves the rules to the engine until it is done."""

import asyncio
import os
import signal
import threading
import time

import grpc.aio  # type: ignore[import-untyped]
from pulumi.runtime.proto import analyzer_pb2_grpc

from infra.kit.local import seek_root
from policies.pack import Pack

_LARGEST_MESSAGE = 400 * 1024 * 1024
_POLL_S = 1.0


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    asyncio.run(_serve())


async def _serve() -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _LARGEST_MESSAGE)])
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Pack(seek_root()), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201 - the engine reads the port from here
    await server.wait_for_termination()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(0)


if __name__ == "__main__":
    main()
