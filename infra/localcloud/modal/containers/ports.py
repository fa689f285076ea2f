"""Ports of this machine, which containers share: each is for one container at a time."""

import asyncio
import socket

from modal_proto import api_pb2

from infra.localcloud.modal.containers.container import Container


class Ports:
    """Who listens where. ValueError for a port that is taken, by a container or by another program."""

    def __init__(self) -> None:
        self._holders: dict[int, Container] = {}

    def take(self, container: Container) -> None:
        for port in _ports(container.record.function):
            holder = self._holders.get(port)
            if holder is not None:
                raise ValueError(f"port {port} of this machine is taken by function {holder.record.name}")
            if not _free(port):
                raise ValueError(f"port {port} of this machine is taken by another program")
            self._holders[port] = container

    def release(self, container: Container) -> None:
        self._holders = {port: holder for port, holder in self._holders.items() if holder is not container}


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _ports(function: api_pb2.Function) -> list[int]:
    if function.is_server:
        return [function.http_config.port]
    hooks = [function.webhook_config, *(item.webhook_config for item in function.method_definitions.values())]
    return [hook.web_server_port for hook in hooks if hook.type == api_pb2.WEBHOOK_TYPE_WEB_SERVER]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
