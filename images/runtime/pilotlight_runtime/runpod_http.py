"""A worker behind RunPod's load balancer: an HTTP server of its own, which tells the balancer when it is ready.

The balancer asks HEALTH_CHECK_PATH (/ping) on PORT_HEALTH: 204 while the model loads, 200 from then on.
"""

import os
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .asgi import Asgi
from .errors import StartError

_WORD = {"200": "OK", "204": "No Content", "503": "Service Unavailable"}


class Doors:
    """The ports, open from the start: while nothing serves yet, a thread answers for health and refuses the rest."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        port = _port(environment, "PORT", "80")
        health = _port(environment, "PORT_HEALTH", str(port))
        self.path = environment.get("HEALTH_CHECK_PATH", "/ping")
        self.main = _listen(port)
        self.health = self.main if health == port else _listen(health)
        self._open = threading.Event()
        self._ready = False
        self._threads = [self._answer(self.main)]
        if self.health is not self.main:
            self._threads.append(self._answer(self.health))

    def ready(self) -> None:
        """The main port is free for the server; a health port of its own goes on here."""
        self._open.set()
        self._threads[0].join()  # from here on, who calls waits for the server instead of being refused
        self._ready = True
        self.main.settimeout(None)

    def _answer(self, door: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=self._serve, args=(door,), daemon=True)
        thread.start()
        return thread

    def _serve(self, door: socket.socket) -> None:
        door.settimeout(0.05)
        while not (self._open.is_set() and door is self.main):
            try:
                caller, _ = door.accept()
            except OSError:  # nobody came in the meantime
                continue
            with caller:
                self._reply(caller)

    def _reply(self, caller: socket.socket) -> None:
        try:
            caller.settimeout(2)
            words = caller.recv(65536).split(b" ", 2)
            asked = words[1].decode("latin-1").partition("?")[0] if len(words) > 1 else ""
            status = "503" if asked != self.path else "200" if self._ready else "204"
            caller.sendall(
                f"HTTP/1.1 {status} {_WORD[status]}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
            )
        except OSError:
            pass  # it has hung up


class Balanced:
    """The handler's app, with the health path beside it."""

    def __init__(self, app: Asgi, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] == "http" and scope["path"] == self._path:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)


def serve(doors: Doors, app: Asgi) -> None:
    """Until the platform says stop (SIGTERM): requests that run are answered first."""
    import uvicorn  # type: ignore[import-not-found,unused-ignore]

    config = uvicorn.Config(
        Balanced(app, doors.path),
        log_level="warning",
        access_log=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=20,
    )
    doors.ready()
    uvicorn.Server(config).run(sockets=[doors.main])


def _port(environment: Mapping[str, str], name: str, default: str) -> int:
    text = environment.get(name) or default
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StartError(f"{name} is {text!r}; wanted a port number")
    return int(text)


def _listen(port: int) -> socket.socket:
    # RunPod reaches a worker from outside its container; on a machine of one's own HOST keeps it inside
    try:
        return socket.create_server((os.environ.get("HOST", "0.0.0.0"), port), backlog=512)
    except OSError as error:
        raise StartError(f"port {port} cannot be opened: {error.strerror}") from error
