"""Edit and run on RunPod: the image's app layer is built anew and pushed, and the endpoint told of the new digest."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.cli import jobs, web
from infra.cli.call import HandlerError
from infra.cli.dev_log import WorkerLog
from infra.cli.dev_source import Broken, Source
from infra.cli.dev_state import Deployed
from infra.cli.dev_target import Answer, CannotStart, Lap, connected, context, in_thread, post, unless
from infra.kit.state import load_inputs
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.artifacts.recipe import Recipe
    from infra.runpod.client import RunPodClient

_LOOKS_S = (
    0.1,
    1.0,
    2.0,
    4.0,
    8.0,
)  # between two looks for workers: RunPod grants 60 requests a minute in all
_LAST_WORDS_S = 1.0  # for the log of a worker that failed to arrive
_ASKS = 3  # while a worker of the version before still answers


class RunPodTarget:
    def __init__(self, deployed: Deployed, root: Path, say: Callable[[str], None]) -> None:
        from infra.artifacts.image import ImageInputs

        assert deployed.image is not None
        inputs = load_inputs(ImageInputs, dict(deployed.image.inputs))
        assert isinstance(inputs, ImageInputs)
        self._deployed, self._root, self._say = deployed, root, say
        self._inputs = inputs
        self.source = Source(root / inputs.handler, Path(inputs.handler))
        files = [*inputs.files.values(), *([inputs.requirements_file] if inputs.requirements_file else [])]
        self.watched = [self.source.directory, *(root / file for file in files)]
        self.log = WorkerLog(self.source, say)
        self._id = deployed.endpoint.id
        self._path = f"/v2/serverless/{self._id}"
        self._tag = f"pl-dev-{self._id}"
        self._client: RunPodClient | None = None
        self._pushed: set[str] = set()
        self._blobs: set[str] = set()
        self._following: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._swapped = False
        self._look = asyncio.Event()
        self._since = datetime.now(UTC).isoformat()

    async def open(self) -> None:
        from infra.artifacts import config as artifacts
        from infra.artifacts.client import cache_dir, shared_cache, toolchain
        from infra.artifacts.image_push import Builder
        from infra.artifacts.oci.layers import LayerCache
        from infra.runpod import config as runpod

        await self.close()
        assert self._deployed.image_provider is not None
        serverless = await connected(runpod, self._deployed.provider, self._root, self._say)
        self._client = serverless.client
        self._artifacts = await connected(artifacts, self._deployed.image_provider, self._root, self._say)
        self._registry = await self._artifacts.registry()
        self._builder = Builder(
            LayerCache(shared_cache("layers")),
            cache_dir(self._root, "uploads"),
            toolchain(self._root),
            lambda text: None,
            self._artifacts.registry_at,
            self._artifacts.build_locks,
        )

    async def live(self) -> str | None:
        from infra.runpod.errors import Missing

        try:
            raw = await self._api.get(self._waiting(), self._path, f"read endpoint {self._id}")
        except Missing:
            return None
        return str(raw.get("image") or "")

    async def build(self, lap: Lap) -> str:
        await asyncio.to_thread(self.source.check_syntax)
        recipe = await asyncio.to_thread(self._recipe)
        if recipe.problems:
            raise Broken([self.source.located(problem) for _, problem in recipe.problems])
        image = await self._builder.image(recipe)
        lap("build")
        version = f"{self._registry.host}/{self._inputs.repository}@{image.digest}"
        if version not in self._pushed and version != self._deployed.version:
            lacking = tuple(layer for layer in image.layers if layer.digest not in self._blobs)
            await self._builder.push(
                self._registry, self._repository, image._replace(layers=lacking), self._tag, self._inputs.base
            )
            self._blobs |= {layer.digest for layer in image.layers}
            self._pushed.add(version)
            lap("push")
        return version

    async def swap(self, version: str) -> None:
        await self._stop_following()
        self.log = WorkerLog(self.source, self._say)
        self._swapped = True
        await self._api.patch(self._waiting(), self._path, f"update endpoint {self._id}", {"image": version})

    async def call(self, request: dict[str, Any], timeout_s: float) -> Answer:
        looking = asyncio.ensure_future(self._look_for_workers())
        try:
            job = await self._answered(request, timeout_s)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        names = {"delayTime": "start", "executionTime": "predict", "answerTime": "answer"}
        took = {name: job[key] / 1000 for key, name in names.items() if key in job}
        return Answer(job.get("output"), took, dict(self.log.phases))

    async def clean(self, versions: list[str]) -> None:
        """Manifests that no tag but ours holds. A registry that lets nobody delete keeps them."""
        # A replaced image has another repository.
        for version in versions:
            place, _, digest = version.rpartition("@")
            host, _, repository = place.partition("/")
            if host != self._registry.host or version == self._deployed.version:
                continue
            await self._registry.delete_manifest(repository, self._tag)
            if not await self._registry.others_hold(repository, digest, self._tag):
                await self._registry.delete_manifest(repository, digest)

    async def close(self) -> None:
        await self._stop_following()
        if self._client is not None:
            await self._client.close()
            await self._registry.close()
            self._client = None

    @property
    def _api(self) -> "RunPodClient":
        assert self._client is not None
        return self._client

    @property
    def _repository(self) -> str:
        assert self._inputs.repository is not None
        return self._inputs.repository

    def _waiting(self) -> Any:
        """A new one for each request: its time begins now."""
        return context(
            self._client, self._deployed.endpoint.urn, {}, self._root, self._say, timeout=90.0, status=True
        )

    def _recipe(self) -> "Recipe":
        from infra.artifacts import recipe

        given = self._inputs
        return recipe.read(
            self._root,
            handler=given.handler,
            template=given.template.value,
            packages=given.requirements,
            packages_file=given.requirements_file,
            python=given.python,
            base=given.base,
            env=given.env,
            files=given.files,
        )

    async def _answered(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """The job, done by a worker of the version that was swapped in."""
        job: dict[str, Any] = {}
        for _ in range(_ASKS):
            found = await unless(self.log.failed.wait(), self._ask(request, timeout_s))
            if found is None:
                raise CannotStart(self.log.failure or "no worker gets ready")
            job = found
            if not self._swapped or not await self._is_old(job):
                break
        return job

    async def _ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        if not self._deployed.url.endswith("/runsync"):
            return await self._ask_balancer(request, timeout_s)
        url, root, stack = self._deployed.url, self._root, self._deployed.stack
        submitting = asyncio.ensure_future(
            asyncio.to_thread(jobs.submit, url, request, root=root, stack=stack)
        )
        try:
            return await in_thread(
                jobs.finished,
                url,
                await asyncio.shield(submitting),
                heard=lambda phase: self._look.set() if phase is jobs.FAILING else None,
                root=root,
                stack=stack,
                timeout_s=timeout_s,
            )
        except HandlerError:
            raise
        except BaseException:
            # At once, or a worker of the next version takes it from the queue.
            with contextlib.suppress(PilotlightError):
                await asyncio.to_thread(jobs.cancel, url, await submitting, root=root, stack=stack)
            raise

    async def _ask_balancer(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """The answer of a load balancer, in the form of a job's."""
        url, started = self._deployed.url, time.monotonic()
        headers = jobs.headers_for(url, self._root, self._deployed.stack)
        answer = await post(url, request, headers, timeout_s)
        return {
            "output": web.output_of(url, answer.status_code, answer.text),
            "workerId": answer.headers.get("X-Runpod-Worker-Id"),
            "answerTime": (time.monotonic() - started) * 1000,
        }

    async def _is_old(self, job: dict[str, Any]) -> bool:
        """Whether a worker of the version before took the job: busy ones stay until they are done."""
        worker = job.get("workerId")
        if not worker or worker in self._following:
            return False
        return worker not in {found["id"] for found in await self._workers()}

    async def _workers(self) -> list[dict[str, Any]]:
        """Those of the current version."""
        answer = await self._api.get(self._waiting(), f"{self._path}/workers", "list the workers")
        return [worker for worker in answer["workers"] if not worker["isStale"]]

    async def _look_for_workers(self) -> None:
        """Follow the logs of the version's workers, and see whether all that come are sick."""
        pauses = iter(_LOOKS_S[1:] if self._following else _LOOKS_S)
        pause_s = _LOOKS_S[0]
        while True:
            pause_s = next(pauses, pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), pause_s)
            self._look.clear()
            with contextlib.suppress(PilotlightError):
                workers = await self._workers()
                for worker in workers:
                    if worker["id"] not in self._following:
                        self._following.add(worker["id"])
                        self._spawn(self._read_log(worker["id"]))
                if {worker["status"] for worker in workers} == {"UNHEALTHY"}:
                    await self._give_up(workers[0])
                    return

    async def _give_up(self, worker: dict[str, Any]) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.log.failed.wait(), _LAST_WORDS_S)
        if self.log.failure is None:
            last = "\n    ".join(self.log.last) or "it has said nothing"
            self.log.failure = f"worker {worker['id']} cannot start; it said last:\n    {last}"
            self.log.failed.set()

    async def _read_log(self, worker_id: str) -> None:
        log = self.log
        path = f"{self._path}/workers/{worker_id}/logs"
        # Of a worker that ran before we came only what it says from now on.
        asked = {"tail": "1000"} if self._swapped else {"since": self._since}
        async for payload in self._api.follow(path, asked):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                said = json.loads(payload)
                log.line(str(said["line"]).rstrip(), system=said.get("source") == "system")

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop_following(self) -> None:
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._following.clear()
