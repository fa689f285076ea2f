"""All pods of the local RunPod, behind the `Pods` seam."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.supervisor import Launcher, ProcessLauncher, sweep
from infra.localcloud.runpod.model import LogLine, PodRecord, PodStatus, PodView, Secrets, Volumes
from infra.localcloud.runpod.pods.container import Workshop
from infra.localcloud.runpod.pods.log import PodLog
from infra.localcloud.runpod.pods.pod import Pod
from infra.localcloud.runpod.workers.env import make_private
from infra.localcloud.runpod.workers.platform import Images

CLOSE_GRACE_S = 2.0
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)


class KeyValues(Protocol):
    """One namespace of the store: how pods ended, so that one that has done its work does not begin again."""

    def put(self, key: str, value: Any) -> None: ...
    def get(self, key: str) -> Any: ...
    def delete(self, key: str) -> None: ...


class LocalPods:
    """Implements `Pods`. Make it inside a running event loop, one per `state_dir`: what an earlier one left running
    there is killed.

    `stock` says why no machine can be had for a pod ("" when one can), `delay` how long a machine and the image take
    to come; `on_end` is told the id of a pod whose container ended by itself, for good.
    """

    def __init__(
        self,
        clock: Clock,
        images: Images,
        volumes: Volumes,
        secrets: Secrets,
        ends: KeyValues,
        base_url: str,
        state_dir: Path,
        api_key: str,
        *,
        faults: Faults | None = None,
        worker_env: Mapping[str, str] | None = None,
        launcher: Launcher | None = None,
        stock: Callable[[PodRecord], str] = lambda record: "",
        delay: Callable[[PodRecord], float] = lambda record: 0.0,
        on_end: Callable[[str], None] = lambda pod_id: None,
    ) -> None:
        self.on_end = on_end
        self._ends, self._stock, self._delay = ends, stock, delay
        self._launcher = launcher or ProcessLauncher(clock)
        self._workshop = Workshop(
            clock=clock,
            images=images,
            volumes=volumes,
            secrets=secrets,
            faults=faults or Faults(clock),
            launcher=self._launcher,
            state_dir=state_dir,
            base_url=base_url.rstrip("/"),
            api_key=api_key,
            offered={"PILOTLIGHT_CACHE": str(state_dir / "host-cache"), **(worker_env or {})},
        )
        self._pods: dict[str, Pod] = {}
        self._logs = state_dir / "logs"
        homes = state_dir / "pods"
        sweep(homes)
        for folder in (homes, self._logs):
            make_private(folder)

    async def apply(self, pod: PodRecord) -> None:
        known = self._pods.get(pod.id)
        if known is None:
            self._add(pod)
            return
        old, known.record = known.record, pod
        if not pod.running:
            if known.up:
                known.stop()
        elif not old.running or pod.version != old.version:
            self._start(known)

    async def restart(self, pod_id: str) -> None:
        self._start(self._pods[pod_id])

    async def remove(self, pod_id: str) -> None:
        pod = self._pods.pop(pod_id, None)
        if pod is None:
            return
        self._ends.delete(pod_id)
        await pod.end(0.0)
        await self._workshop.delete(pod_id)
        await asyncio.to_thread(shutil.rmtree, self._logs / pod_id, ignore_errors=True)

    def view(self, pod_id: str) -> PodView:
        return self._pods[pod_id].view()

    async def logs(
        self, pod_id: str, *, tail: int, after: tuple[float, int] | None, follow: bool
    ) -> AsyncIterator[LogLine]:
        """KeyError for an unknown pod. With `follow`, new lines until its container ends for good."""
        async for line in self._pods[pod_id].log.read(tail, after, follow):
            yield line

    async def close(self) -> None:
        await asyncio.gather(*(pod.end(CLOSE_GRACE_S) for pod in self._pods.values()))
        self._launcher.close()

    def _add(self, record: PodRecord) -> None:
        if not _ID.fullmatch(record.id):
            raise ValueError(f"{record.id!r} cannot be the id of a pod")
        log = PodLog(self._logs / record.id / "pod.log")
        pod = Pod(record, self._workshop, log, self._ended, self._stock, self._delay, self._taken)
        self._pods[record.id] = pod
        end = self._ends.get(record.id)
        if end is not None and end["version"] == record.version:
            pod.settle(PodStatus(end["status"]), end["reason"], end["exit_code"], end["started_at"])
        elif record.running:
            pod.start()

    def _start(self, pod: Pod) -> None:
        self._ends.delete(pod.record.id)
        pod.start()

    def _ended(self, pod: Pod) -> None:
        end = {
            "version": pod.record.version,
            "status": pod.status.value,
            "reason": pod.reason,
            "exit_code": pod.exit_code,
            "started_at": pod.started_at,
        }
        self._ends.put(pod.record.id, end)
        self.on_end(pod.record.id)

    def _taken(self, but: Pod) -> set[int]:
        return {port for pod in self._pods.values() if pod is not but for port in pod.ports.inside}
