"""A pod's declared ports. Pods share this machine's network: what a container listens on is reached by a port of ours."""

import asyncio
import contextlib
import errno
import re
import socket
from collections.abc import Collection, Sequence

SYMMETRIC = 70_000  # from here on a declared number only asks for one that is the same inside and outside
_PORT = re.compile(r"(\d{1,6})/(http|tcp)", re.ASCII)
_SILENCE = b"Nothing in this pod listens on that port yet\n"
_BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
    % (len(_SILENCE), _SILENCE)
)


class PodPorts:
    """`mapping`: declared port -> the port of 127.0.0.1 that answers for it, the same again after a restart unless
    somebody took it. `notes`: why one has none."""

    def __init__(self) -> None:
        self.mapping: dict[str, int] = {}
        self.notes: list[str] = []
        self.inside: set[int] = set()
        self._before: dict[str, int] = {}
        self._servers: list[asyncio.Server] = []
        self._busy: set[asyncio.Task[None]] = set()

    async def open(self, declared: Sequence[str], taken: Collection[int]) -> None:
        """`taken` are the ports that containers of other pods have."""
        for text in declared:
            match = _PORT.fullmatch(text)
            if match is None:
                self.notes.append(f"port {text} is not forwarded: wanted such as 8888/http or 22/tcp")
                continue
            number = int(match[1])
            if number >= SYMMETRIC:
                before = self._before.get(text, 0)
                self.mapping[text] = before if before and not _unusable(before) else _free_port()
                continue
            reason = "a container of another pod has it" if number in taken else _unusable(number)
            if reason:
                self.notes.append(f"port {text} is not forwarded: {reason}")
                continue
            self.inside.add(number)
            await self._forward(text, number, match[2] == "http")

    def environment(self) -> dict[str, str]:
        """As RunPod tells a container the public numbers of its TCP ports."""
        return {
            f"RUNPOD_TCP_PORT_{text.partition('/')[0]}": str(port)
            for text, port in self.mapping.items()
            if text.endswith("/tcp")
        }

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._busy:
            task.cancel()
        self._before |= self.mapping
        self.mapping, self.inside, self._servers = {}, set(), []

    async def _forward(self, text: str, inside: int, http: bool) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._busy.add(task)
            try:
                await _exchange(reader, writer, inside, http)
            finally:
                self._busy.discard(task)

        try:
            server = await asyncio.start_server(serve, "127.0.0.1", self._before.get(text, 0))
        except OSError:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._servers.append(server)
        self.mapping[text] = int(server.sockets[0].getsockname()[1])


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inside: int, http: bool
) -> None:
    with contextlib.suppress(ConnectionError):
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", inside)
        except OSError:
            if http:
                writer.write(_BAD_GATEWAY)
                await writer.drain()
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            inner_writer.close()
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


def _unusable(port: int) -> str:
    """Why no container of this machine can have the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OverflowError:
            return "there is no such port"
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            return "another program of this machine has it" if taken else str(error.strerror)
    return ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
