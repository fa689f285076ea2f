"""Making a worker: its record, its image, its environment, its process."""

import socket

from infra.localcloud.runpod.model import EndpointRecord
from infra.localcloud.runpod.workers.env import make_private, worker_environment
from infra.localcloud.runpod.workers.images import ImageRefused
from infra.localcloud.runpod.workers.logs import WorkerLog
from infra.localcloud.runpod.workers.platform import Platform
from infra.localcloud.runpod.workers.worker import Phase, Worker, new_token, new_worker_id
from infra.spec.errors import PilotlightError


class CannotStart(PilotlightError):
    """No process can be made of this endpoint's image. The text is the worker's reason."""


def new_worker(record: EndpointRecord, platform: Platform, worker_id: str = "") -> Worker:
    """With `worker_id`, one that was there before and comes back."""
    folder = f"{worker_id}-{new_worker_id()}" if worker_id else (worker_id := new_worker_id())
    return Worker(
        id=worker_id,
        record=record,
        token=new_token(),
        home=platform.state_dir / "workers" / folder / "home",
        log=WorkerLog(platform.state_dir / "logs" / record.id / f"{worker_id}.log"),
        created_at=platform.clock.now(),
        gpu_type_id=platform.gpu_type(record),
        data_center_id=platform.data_center(record),
    )


async def check_image(record: EndpointRecord, platform: Platform) -> None:
    """Unpacks the image. Raises CannotStart."""
    try:
        await platform.images.resolve(record.image)
    except ImageRefused as refused:
        raise CannotStart(str(refused)) from refused


async def start(worker: Worker, platform: Platform) -> bool:
    """Give the worker its process. False when it is no longer wanted. Raises CannotStart."""
    record = worker.record
    try:
        image = await platform.images.resolve(record.image)
        if slow := platform.boot_delay(record) + platform.faults.slow_boot_s(record):
            await platform.clock.sleep(slow)
        if worker.phase is not Phase.STARTING:
            return False
        worker.ports = _ports(record) if record.type == "LOAD_BALANCER" else None
        make_private(worker.home)
        make_private(worker.home.parent / "tmp")
        env = worker_environment(worker, image.env, platform.worker_env, platform.base_url)
        worker.log.system(f"starting {record.image} (release {record.version})", platform.clock.now())
        worker.process = platform.launcher.launch(image.argv(record.args), image.cwd, env, worker.log)
    except ImageRefused as refused:
        raise CannotStart(str(refused)) from refused
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot start: {error}") from error
    worker.started_at = platform.clock.now()
    return True


def _ports(record: EndpointRecord) -> tuple[int, int]:
    """Free now; a worker that finds its port taken after all ends, and the next one gets another."""
    port = _free_port()
    own = {name: record.env.get(name, "80") for name in ("PORT", "PORT_HEALTH")}
    apart = "PORT_HEALTH" in record.env and own["PORT_HEALTH"] != own["PORT"]
    return port, _free_port() if apart else port


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
