"""Modal's official client, loaded at the first call and kept away from the developer's own Modal configuration."""

import asyncio
import functools
import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.modal.errors import Missing, translated

_KEPT = frozenset({"MODAL_LOGLEVEL", "MODAL_TRACEBACK", "MODAL_MAX_THROTTLE_WAIT"})
_LOG_LINES = 12
_LOG_STREAM_S = 55  # after which Modal ends the stream, and the client asks for the next one
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Access:
    """Where Modal is and who asks. `source` says where the token came from."""

    server_url: str
    token_id: str
    token_secret: str = field(repr=False)
    source: str


class ModalClient:
    """One per provider process: every operation shares its connection. The server's address is the process's own."""

    def __init__(self, access: Access, *, environment: str | None, root: Path | None) -> None:
        self.access = access
        self.root = root
        self.api: Any = None  # the package `modal`
        self.handle: Any = None  # its `modal.Client`
        self._default = environment
        self._opening = asyncio.Lock()
        self._names: dict[str, str] = {}

    @property
    def state_dir(self) -> Path:
        """For what is kept on this disk: modules that were deployed, and the ledger."""
        base = self.root / ".pilotlight" if self.root else Path(tempfile.gettempdir()) / "pilotlight"
        return base / "modal"

    @contextmanager
    def doing(self, what: str, *secrets: str) -> Iterator[None]:
        """Errors of the client inside as ours. `what` completes "refused to …"."""
        hidden = (self.access.token_secret, *secrets)
        with translated(what, source=self.access.source, url=self.access.server_url, secrets=hidden):
            yield

    async def open(self) -> "ModalClient":
        """Import the client and connect, once."""
        async with self._opening:
            if self.handle is None:
                _isolate(self.access.server_url, self.state_dir)
                self.api = await asyncio.to_thread(_import)
                with self.doing("connect"):
                    self.handle = await self.api.Client.from_credentials.aio(
                        self.access.token_id, self.access.token_secret
                    )
        return self

    async def environment(self, name: str | None) -> str:
        """The environment that a resource is in: the named one, the provider's, or the workspace's default."""
        if name:
            return name
        if not self._default:
            await self.open()
            with self.doing("find the default environment"):
                found = self.api.Environment.from_context(client=self.handle)
                await found.hydrate.aio()
                self._default = str(found.name)
        return self._default

    async def rpc(self, method: str, doing: str, /, **fields: Any) -> Any:
        """A call for which the client has no public method. The request's type follows from the method's name."""
        await self.open()
        from modal_proto import api_pb2

        request = getattr(api_pb2, f"{method}Request", None)
        message = request(**fields) if request is not None else _empty()
        with self.doing(doing):
            return await _raw("call").aio(self.handle, method, message)

    async def build_log(self, image_id: str) -> str:
        """The last lines of an image's build; "" where there are none."""
        await self.open()
        with self.doing("read the build's log"):
            text: str = await _raw("build_log").aio(self.handle, image_id)
        return "\n".join(text.strip().splitlines()[-_LOG_LINES:])

    async def app_log(self, app_id: str) -> AsyncIterator[tuple[float, str, str]]:
        """(time, container, text) of what the app's containers say, from a moment ago on, until it is stopped."""
        await self.open()
        with self.doing("follow the app's log"):
            async for said in _raw("app_log").aio(self.handle, app_id):
                yield said

    async def name_of(self, id: str, environment: str) -> str:
        """The name of a volume, secret or network file system; the id itself where it is gone."""
        if id not in self._names:
            found = await self._find_name(id, environment)
            if found is None:
                return id
            self._names[id] = found
        return self._names[id]

    def renamed(self, id: str, name: str) -> None:
        self._names[id] = name

    async def _find_name(self, id: str, environment: str) -> str | None:
        try:
            if id.startswith("vo-"):
                answer = await self.rpc("VolumeGetById", f"read volume {id}", volume_id=id)
                return str(answer.metadata.name) or None
            if id.startswith("st-"):
                answer = await self.rpc("SecretGetInfo", f"read secret {id}", secret_id=id)
                return str(answer.metadata.name) or None
            answer = await self.rpc("SharedVolumeList", f"read {id}", environment_name=environment)
            return next((str(item.label) for item in answer.items if item.shared_volume_id == id), None)
        except Missing:
            return None

    async def close(self) -> None:
        if self.handle is not None:
            await self.handle.close.aio()
            self.handle = None


def _isolate(server_url: str, state_dir: Path) -> None:
    """No profile, token or address of the developer's may be used in place of what the provider was given."""
    for name in [name for name in os.environ if name.startswith("MODAL_") and name not in _KEPT]:
        del os.environ[name]
    os.environ["MODAL_SERVER_URL"] = server_url
    os.environ["MODAL_CONFIG_PATH"] = str(state_dir / "config.toml")
    if urlsplit(server_url).hostname in _LOOPBACK:
        # A proxy of the environment must not see what is meant for this machine.
        os.environ["MODAL_DISABLE_API_PROXY"] = "1"
        os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1,localhost"]))


def _import() -> Any:
    import modal

    for category in ("DeprecationError", "AsyncUsageWarning", "InternalAPIWarning"):
        warnings.filterwarnings("ignore", category=getattr(modal.exception, category))
    return modal


@functools.cache
def _raw(name: str) -> Any:
    """One of those below, on the client's own event loop, where its connection lives."""
    from modal._utils.async_utils import synchronizer

    found = {"call": _call, "build_log": _build_log, "app_log": _app_log}[name]
    return synchronizer.create_blocking(found, name=name)


async def _call(client: Any, method: str, message: Any) -> Any:
    return await getattr(client._stub, method)(message)


async def _build_log(client: Any, image_id: str) -> str:
    from modal_proto import api_pb2

    request = api_pb2.ImageJoinStreamingRequest(image_id=image_id, timeout=10)
    lines = []
    async for answer in client._stub.ImageJoinStreaming.unary_stream(request):
        lines += [log.data for log in answer.task_logs]
    return "".join(lines)


async def _app_log(client: Any, app_id: str) -> AsyncIterator[tuple[float, str, str]]:
    from modal_proto import api_pb2

    seen = ""
    while True:
        request = api_pb2.AppGetLogsRequest(app_id=app_id, timeout=_LOG_STREAM_S, last_entry_id=seen)
        async for batch in client._stub.AppGetLogs.unary_stream(request):
            seen = batch.entry_id or seen
            if batch.app_done:
                return
            for log in batch.items:
                if log.data:
                    yield log.timestamp, batch.task_id, log.data


def _empty() -> Any:
    from google.protobuf.empty_pb2 import Empty

    return Empty()
