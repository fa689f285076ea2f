"""Making a worker: its record, its image, its mounts, its environment, its process."""

import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from infra.localcloud.core import namespace
from infra.localcloud.core.namespace import Bind, Mount
from infra.localcloud.core.supervisor import Running
from infra.localcloud.runpod.model import EndpointRecord
from infra.localcloud.runpod.secrets import SecretMissing, with_secrets
from infra.localcloud.runpod.workers import rootfs
from infra.localcloud.runpod.workers.env import make_private, worker_environment
from infra.localcloud.runpod.workers.flashboot import Zygote
from infra.localcloud.runpod.workers.images import ImageRefused, UnpackedImage
from infra.localcloud.runpod.workers.logs import WorkerLog
from infra.localcloud.runpod.workers.placement import Place
from infra.localcloud.runpod.workers.platform import Platform
from infra.localcloud.runpod.workers.worker import Phase, Worker, new_token, new_worker_id
from infra.spec.errors import PilotlightError

VOLUME = "/runpod-volume"  # where a serverless worker finds its network volume


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
    )


async def check_image(record: EndpointRecord, platform: Platform) -> None:
    """Unpacks the image, and warms it for FlashBoot. Raises CannotStart."""
    try:
        image = await platform.images.resolve(record.image)
        place = platform.place(record)
        if isinstance(place, Place):
            _zygote(record, image, place, platform)
    except ImageRefused as refused:
        raise CannotStart(str(refused)) from refused
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot start: {error}") from error


async def start(worker: Worker, place: Place, platform: Platform) -> bool:
    """Give the worker its process. False when it is no longer wanted. Raises CannotStart."""
    record = worker.record
    try:
        image = await platform.images.resolve(record.image)
        own = with_secrets(record.env, platform.secrets)
        hit = platform.flash_hit(record)
        if slow := platform.boot_delay(record, hit) + platform.faults.slow_boot_s(record):
            await platform.clock.sleep(slow)
        zygote = _zygote(record, image, place, platform) if hit else None
        if zygote is not None and not await zygote.warmed():
            zygote = None
        if worker.phase is not Phase.STARTING:
            return False
        worker.ports = _ports(record) if record.type == "LOAD_BALANCER" else None
        make_private(worker.home)
        make_private(worker.home.parent / "tmp")
        env = worker_environment(
            worker, {**image.env, **own}, platform.worker_env, platform.base_url, place.volume_id
        )
        worker.process = _launch(worker, image, place, env, zygote, platform)
    except ImageRefused as refused:
        raise CannotStart(str(refused)) from refused
    except SecretMissing as missing:
        raise CannotStart(str(missing)) from missing
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot start: {error}") from error
    worker.started_at = platform.clock.now()
    return True


def _launch(
    worker: Worker,
    image: UnpackedImage,
    place: Place,
    env: dict[str, str],
    zygote: Zygote | None,
    platform: Platform,
) -> Running:
    record, now = worker.record, platform.clock.now()
    if image.own_root:
        return _launch_rooted(worker, image, place, env, platform)
    argv = image.argv(record.args, [VOLUME] if place.volume_id else [])
    what = f"starting {record.image} (release {record.version})"
    if zygote is not None and platform.flashboot is not None:
        process = platform.flashboot.launch(zygote, argv, image.cwd, env, worker.log)
        if process is not None:
            worker.log.system(f"{what} by FlashBoot", now)
            return process
    worker.log.system(what, now)
    enclosed = _enclose(place, platform, str(image.cwd), argv, worker.home.parent)
    return platform.launcher.launch(enclosed, image.cwd, env, worker.log)


def _zygote(record: EndpointRecord, image: UnpackedImage, place: Place, platform: Platform) -> Zygote | None:
    if platform.flashboot is None or record.flashboot == "OFF" or image.own_root:
        return None
    key = f"{image.digest} {place.volume_id or ''}"
    enclose = partial(_enclose, place, platform, "/")
    return platform.flashboot.warm(key, image.argv(record.args), image.env, enclose, record.id)


def _launch_rooted(
    worker: Worker, image: UnpackedImage, place: Place, env: dict[str, str], platform: Platform
) -> Running:
    record, folder = worker.record, worker.home.parent
    worker.log.system(
        f"starting {record.image} (release {record.version}) in its own root file system",
        platform.clock.now(),
    )
    kept = [worker.home]
    if (cache := platform.worker_env.get("PILOTLIGHT_CACHE")) is not None and env[
        "PILOTLIGHT_CACHE"
    ] == cache:
        Path(cache).mkdir(parents=True, exist_ok=True)
        kept.append(Path(cache))
    env = {**env, "TMPDIR": "/tmp"}
    mounts = _volume(place, platform)
    words = image.words(record.args)
    found = rootfs.program(image.root, words[0], env.get("PATH", "")) if words else None
    if found is None:
        raise CannotStart(f"the image has no program {words[0] if words else 'to start'}")
    enclosed = rootfs.enclose([found, *words[1:]], image.root, folder, str(image.cwd), kept, mounts)
    return platform.launcher.launch(enclosed, folder, env, worker.log)


def _enclose(place: Place, platform: Platform, cwd: str, command: Sequence[str], folder: Path) -> list[str]:
    """The command as it is, or in a mount namespace with the network volume."""
    mounts = _volume(place, platform)
    return namespace.enclose(command, folder / "mounts.json", mounts, cwd) if mounts else list(command)


def _volume(place: Place, platform: Platform) -> list[Mount]:
    if place.volume_id is None:
        return []
    if refusal := namespace.refusal():
        raise CannotStart(
            f"the network volume {place.volume_id} cannot be mounted at {VOLUME} here: {refusal}",
            wanted="a machine that allows mount namespaces, or an endpoint without a network volume",
        )
    try:
        source = platform.volumes.path(place.volume_id) if platform.volumes is not None else None
    except KeyError:
        source = None
    if source is None:
        raise CannotStart(f"the network volume {place.volume_id} is gone")
    return [Bind(str(source), VOLUME)]


def _ports(record: EndpointRecord) -> tuple[int, int]:
    """Free now; a worker that finds its port taken after all ends, and the next one gets another."""
    port = _free_port()
    own = {name: record.env.get(name, "80") for name in ("PORT", "PORT_HEALTH")}
    apart = "PORT_HEALTH" in record.env and own["PORT_HEALTH"] != own["PORT"]
    return port, _free_port() if apart else port


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
