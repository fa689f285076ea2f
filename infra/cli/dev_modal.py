"""Edit and run on Modal: the app's module is rendered anew and deployed as a new version, the old containers stopped."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.cli import web
from infra.cli.call import CallError, HandlerError
from infra.cli.dev_log import WorkerLog
from infra.cli.dev_source import Broken, Source
from infra.cli.dev_state import Deployed
from infra.cli.dev_target import Answer, CannotStart, Lap, connected, context, post, unless
from infra.kit.state import load_inputs
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.modal.client import ModalClient

_SKEW_S = 10.0  # that Modal's clock may be behind this machine's
_LAST_WORDS_S = 1.0  # for the log of a container that failed to arrive


class ModalTarget:
    """`modules` is a directory for what is rendered here."""

    def __init__(self, deployed: Deployed, root: Path, modules: Path, say: Callable[[str], None]) -> None:
        from infra.modal.app_model import AppInputs

        inputs = load_inputs(AppInputs, dict(deployed.endpoint.inputs))
        assert isinstance(inputs, AppInputs)
        self._deployed, self._root, self._modules, self._say = deployed, root, modules, say
        self._inputs: AppInputs = inputs
        self._environment = str(deployed.endpoint.outputs.get("environment") or "")
        assert inputs.source is not None
        self.source = Source(root / inputs.source, Path(inputs.source))
        files = [*inputs.image.files.values()]
        self.watched = [self.source.directory, *(root / file for file in files)]
        self.log = WorkerLog(self.source, say)
        self._id = deployed.endpoint.id
        self._client: ModalClient | None = None
        # The official client is kept away from the developer's own settings, and the token for the address is one.
        self._environ = dict(os.environ)
        self._old: set[str] = set()
        self._following: asyncio.Task[None] | None = None

    async def open(self) -> None:
        from infra.modal import config

        await self.close()
        self._client = await connected(config, self._deployed.provider, self._root, self._say)
        await self._api.open()
        self._keep_what_is_deployed()
        since = time.time() - (0.0 if self._deployed.is_local else _SKEW_S)
        self._following = asyncio.ensure_future(self._read_log(since))

    async def live(self) -> str | None:
        from infra.modal import app_wire
        from infra.modal.errors import Missing

        try:
            answer = await self._api.rpc("AppGetInfo", f"read app {self._id}", app_id=self._id)
        except Missing:
            return None
        info = self._api.api.types.AppInfo._from_proto(answer.info, self._id)
        if info.lifecycle.state.value not in ("deployed", "initializing"):
            return None
        return app_wire.live_module(await self._history(), answer.info.lifecycle.version) or ""

    async def build(self, lap: Lap) -> str:
        await asyncio.to_thread(self.source.check_syntax)
        version = await asyncio.to_thread(self._render)
        lap("build")
        return version

    async def swap(self, version: str) -> None:
        """By what was rendered here; else by bringing back the version that Modal has kept."""
        from infra.modal import deployment
        from infra.modal.app_model import Strategy
        from infra.modal.errors import Conflict, Missing

        self.log = WorkerLog(self.source, self._say)
        running = await self._containers()
        path = self._modules / f"{version}.py"
        # Rolling, and the old containers stopped from here: Modal's "recreate" looks once a second whether they are gone.
        inputs = self._inputs.model_copy(update={"module": version, "strategy": Strategy.ROLLING})
        if version == self._deployed.version and await self._rolled_back(version):
            await deployment.tag(self._ctx(), self._id, inputs)
        elif path.exists():
            id = await deployment.publish(self._ctx(), inputs, self._environment, path)
            if id != self._id:
                raise Conflict(
                    f"the app was stopped and is now {id}", fix="run `pulumi refresh` and `pulumi up`"
                )
        else:
            raise Missing(
                f"Modal does not bring back {version}, and it is not on this disk",
                fix=f"run `pulumi refresh -s {self._deployed.stack}`, then `pulumi up -s {self._deployed.stack}`",
            )
        self._old |= running
        await self._stop(running)

    async def call(self, request: dict[str, Any], timeout_s: float) -> Answer:
        started = time.monotonic()
        log = self.log
        try:
            output = await unless(log.failed.wait(), self._ask(request, timeout_s))
        except HandlerError:
            raise
        except CallError:
            # Modal answers as soon as a container cannot start; what it said comes a moment later.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(log.failed.wait(), _LAST_WORDS_S)
            if log.failure is None:
                raise
            output = None
        if output is None:
            raise CannotStart(log.failure or "no container gets ready")
        return Answer(output[0], {"answer": time.monotonic() - started}, dict(log.phases))

    async def clean(self, versions: list[str]) -> None:
        """Modal keeps its versions itself; here only the rendered modules are."""
        for path in self._modules.glob("pl_*.py"):
            path.unlink(missing_ok=True)

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _ask(self, request: dict[str, Any], timeout_s: float) -> tuple[Any]:
        """The output in a tuple, because it may be None."""
        url = self._deployed.url
        headers = web.headers_for(url, self._root, self._deployed.stack, self._environ)
        answer = await post(url, request, headers, timeout_s)
        return (web.output_of(url, answer.status_code, answer.text),)

    @property
    def _api(self) -> "ModalClient":
        assert self._client is not None
        return self._client

    def _ctx(self) -> Any:
        endpoint = self._deployed.endpoint
        return context(self._api, endpoint.urn, endpoint.inputs, self._root, self._say)

    def _render(self) -> str:
        from images.modal_module import module_text
        from infra.modal import app_module

        try:
            app, code, problems = app_module.read(self._root, self._inputs)
        except OSError as error:
            raise Broken([f"{error.filename}: {error.strerror}"]) from None
        if problems:
            raise Broken([self.source.located(reason) for _, reason in problems])
        version = app_module.name(app, code)
        self._keep(version, module_text(app, code))
        return version

    def _keep_what_is_deployed(self) -> None:
        """A workspace without rollbacks gets the deployed module again, from what its deployment left on this disk."""
        from infra.modal import deployment

        path = deployment.module_path(self._ctx(), self._api, self._inputs)
        with contextlib.suppress(OSError):
            self._keep(path.stem, path.read_bytes())

    def _keep(self, version: str, text: bytes) -> None:
        path = self._modules / f"{version}.py"
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(text)
            temporary.replace(path)

    async def _history(self) -> Any:
        return await self._api.rpc(
            "AppDeploymentHistory", f"read the history of app {self._id}", app_id=self._id
        )

    async def _rolled_back(self, version: str) -> bool:
        """Whether Modal brought `version` back; it forgets old ones, and not every plan has rollbacks."""
        from infra.modal.errors import ModalError

        history = (await self._history()).app_deployment_histories
        numbers = [item.version for item in history if item.tag == version and not item.rollback_version]
        if not numbers:
            return False
        try:
            await self._api.rpc(
                "AppRollback", f"bring back version {max(numbers)}", app_id=self._id, version=max(numbers)
            )
        except ModalError as error:
            self._say(f"{error.what}; deploying it again instead")
            return False
        return True

    async def _containers(self) -> set[str]:
        answer = await self._api.rpc(
            "TaskList", "list the app's containers", environment_name=self._environment, app_id=self._id
        )
        return {task.task_id for task in answer.tasks}

    async def _stop(self, containers: set[str]) -> None:
        async def one(id: str) -> None:
            # It may have ended by itself.
            with contextlib.suppress(PilotlightError):
                await self._api.rpc("ContainerStop", f"stop container {id}", task_id=id)

        await asyncio.gather(*map(one, containers))

    async def _read_log(self, since: float) -> None:
        """What comes from now on, and not from containers of a version before."""
        with contextlib.suppress(PilotlightError):
            async for when, container, text in self._api.app_log(self._id):
                if when >= since and container not in self._old:
                    for line in text.splitlines():
                        self.log.line(line)
