"""What the parts of the fleet share: time, images, the meter, faults, and how a worker is launched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from infra.localcloud.core.clock import Clock
from infra.localcloud.core.faults import Fault, FaultKind, Faults
from infra.localcloud.core.supervisor import Launcher
from infra.localcloud.core.timers import Timers
from infra.localcloud.runpod.model import EndpointRecord, Meter, Secrets, Volumes
from infra.localcloud.runpod.workers.flashboot import FlashBoot
from infra.localcloud.runpod.workers.images import UnpackedImage
from infra.localcloud.runpod.workers.journal import Journal, Namespace
from infra.localcloud.runpod.workers.placement import Place


class Images(Protocol):
    async def resolve(self, image_ref: str) -> UnpackedImage:
        """Raises ImageRefused with the reason."""


@dataclass
class Platform:
    clock: Clock
    timers: Timers
    images: Images
    meter: Meter
    journal: Journal
    kept: Callable[[str], Namespace]  # JSON values that outlive the daemon, by name
    faults: "WorkerFaults"
    launcher: Launcher
    state_dir: Path
    base_url: str
    worker_env: Mapping[str, str]
    place: Callable[[EndpointRecord], Place | str]  # a machine for a worker, or why there is none
    secrets: Secrets
    volumes: Volumes | None
    flashboot: FlashBoot | None
    flash_hit: Callable[[EndpointRecord], bool]  # whether the next start finds its state kept
    boot_delay: Callable[
        [EndpointRecord, bool], float
    ]  # seconds that a machine and the image take, after a hit or not
    requested: Callable[[str], None]  # an endpoint got a request
    notify: Callable[[str, dict[str, Any]], None]  # webhook url, the job's view


class WorkerFaults:
    """The faults that befall workers. A fault's `path` picks an endpoint with `/v2/<endpoint>`, and for a crash the
    moment with `/v2/<endpoint>/boot` or `/v2/<endpoint>/job`."""

    def __init__(self, faults: Faults | None) -> None:
        self._faults = faults

    def no_capacity(self, record: EndpointRecord) -> str:
        """Why no worker can be had now; empty when one can."""
        if self._take(FaultKind.STOCK_OUT, record, "boot") is None:
            return ""
        return f"no machine free for {', '.join(record.gpu_pools) or 'this CPU flavor'} now"

    def slow_boot_s(self, record: EndpointRecord) -> float:
        fault = self._take(FaultKind.SLOW_BOOT, record, "boot")
        return 0.0 if fault is None else fault.seconds

    def crashes(self, record: EndpointRecord, moment: str) -> bool:
        return self._take(FaultKind.CRASH, record, moment) is not None

    def _take(self, kind: FaultKind, record: EndpointRecord, moment: str) -> Fault | None:
        if self._faults is None:
            return None
        return self._faults.take({kind}, "POST", f"/v2/{record.id}/{moment}")
