"""Making a pod's container: its disks, its mounts, its environment, its process."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.localcloud.core import namespace
from infra.localcloud.core.clock import Clock
from infra.localcloud.core.faults import Faults
from infra.localcloud.core.namespace import Bind, Mount, Overlay
from infra.localcloud.core.supervisor import Launcher, Running, Sink, sweep
from infra.localcloud.runpod.model import PodRecord, Secrets, Volumes
from infra.localcloud.runpod.secrets import SecretMissing, with_secrets
from infra.localcloud.runpod.workers import rootfs
from infra.localcloud.runpod.workers.env import BASE, make_private
from infra.localcloud.runpod.workers.images import ImageRefused, UnpackedImage
from infra.localcloud.runpod.workers.platform import Images
from infra.spec.errors import PilotlightError

_CACHE = "PILOTLIGHT_CACHE"
NOT_OVER = ("/", "/proc", "/sys", "/dev", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64")


class CannotStart(PilotlightError):
    """No container can be made of this pod. The text is its reason."""


@dataclass
class Workshop:
    """What containers are made with. `state_dir` has the pods' disks in `pods/<id>` and the unpacked images in
    `images`, to which a container writes only in a layer of its own."""

    clock: Clock
    images: Images
    volumes: Volumes
    secrets: Secrets
    faults: Faults
    launcher: Launcher
    state_dir: Path
    base_url: str
    api_key: str
    offered: Mapping[str, str]
    _layers: bool | None = None

    def folder(self, pod_id: str) -> Path:
        return self.state_dir / "pods" / pod_id

    async def image(self, record: PodRecord) -> UnpackedImage:
        """Raises CannotStart."""
        try:
            return await self.images.resolve(record.image)
        except ImageRefused as refused:
            raise CannotStart(str(refused)) from refused

    async def launch(
        self, record: PodRecord, image: UnpackedImage, ports: Mapping[str, str], log: Sink
    ) -> Running:
        """Raises CannotStart."""
        folder = self.folder(record.id)
        container = folder / "container"
        try:
            disks = await asyncio.to_thread(self._furnish, record, folder)
            environment = self._environment(record, image, container, ports)
            if image.own_root:
                argv = self._in_its_root(record, image, container, environment, disks)
                return self.launcher.launch(argv, folder, environment | {"TMPDIR": "/tmp"}, log)
            mounts = [*await asyncio.to_thread(self._layer, container), *disks]
            argv = image.argv(record.args, [mount.target for mount in mounts])
            if mounts:
                argv = namespace.enclose(argv, container / "spec.json", mounts, str(image.cwd))
            return self.launcher.launch(argv, folder if mounts else image.cwd, environment, log)
        except SecretMissing as error:
            raise CannotStart(str(error)) from error
        except (OSError, ValueError) as error:
            raise CannotStart(f"cannot start: {error}") from error

    async def end_strays(self, pod_id: str) -> None:
        """What a container started in sessions of their own outlives its group; its environment gives it away."""
        await asyncio.to_thread(sweep, self.folder(pod_id))

    async def empty_disk(self, pod_id: str) -> None:
        """The container disk is as the image has it again; the persistent disk stays."""
        await asyncio.to_thread(_wipe, self.folder(pod_id) / "container")

    async def delete(self, pod_id: str) -> None:
        await self.empty_disk(pod_id)
        await asyncio.to_thread(shutil.rmtree, self.folder(pod_id), ignore_errors=True)

    def _furnish(self, record: PodRecord, folder: Path) -> list[Mount]:
        container = folder / "container"
        for name in ("home", "tmp", "upper", "work"):
            make_private(container / name)
        disks: list[Mount] = []
        if record.persistent is not None:
            make_private(folder / "disk")
            disks.append(Bind(str(folder / "disk"), self._mount_point(record.persistent[1])))
        if record.network_volume is not None:
            volume_id, path = record.network_volume
            try:
                disks.append(Bind(str(self.volumes.path(volume_id)), self._mount_point(path)))
            except KeyError:
                raise CannotStart(f"the network volume {volume_id} is gone") from None
        if disks and (refusal := namespace.refusal()):
            raise CannotStart(
                f"{disks[0].target} cannot be mounted here: {refusal}",
                wanted="a machine that allows them; or a pod without a persistent disk and network volume",
            )
        return disks

    def _layer(self, container: Path) -> list[Mount]:
        """Over the unpacked images, which all share: what this container writes there is its own."""
        shared = self.state_dir / "images"
        if namespace.refusal() or not shared.is_dir():
            return []
        own = Overlay((str(shared),), str(shared), str(container / "upper"), str(container / "work"))
        if self._layers is None:
            self._layers = _works(own, container / "probe.json")
        return [own] if self._layers else []

    def _in_its_root(
        self,
        record: PodRecord,
        image: UnpackedImage,
        container: Path,
        environment: Mapping[str, str],
        disks: Sequence[Mount],
    ) -> list[str]:
        kept = [container / "home"]
        cache = self.offered.get(_CACHE)
        if cache is not None and environment[_CACHE] == cache:
            Path(cache).mkdir(parents=True, exist_ok=True)
            kept.append(Path(cache))
        words = image.words(record.args)
        found = rootfs.program(image.root, words[0], environment.get("PATH", "")) if words else None
        if found is None:
            raise CannotStart(f"the image has no program {words[0] if words else 'to start'}")
        return rootfs.enclose([found, *words[1:]], image.root, container, str(image.cwd), kept, disks)

    def _mount_point(self, path: str) -> str:
        plain = os.path.normpath(path)
        first = plain.lstrip("/").split("/")[0]
        if not path.startswith("/") or "\0" in path or first in ("proc", "sys", "dev"):
            raise CannotStart(
                f"nothing can be mounted at {path!r}", wanted="an absolute path such as /workspace"
            )
        if plain in NOT_OVER or plain == "//":
            raise CannotStart(f"nothing can be mounted at {path!r}: the container needs what is there")
        # A container sees this machine around its disks, so these must not hide what it is made of.
        for needed in (self.state_dir, Path(sys.base_prefix), Path(os.path.realpath(sys.executable))):
            if Path(os.path.realpath(plain)) in (needed, *needed.parents):
                raise CannotStart(
                    f"nothing can be mounted at {path!r} on this machine, which has {needed} there",
                    wanted="a path that hides neither this cloud's files nor its Python, such as /workspace",
                )
        return plain

    def _environment(
        self, record: PodRecord, image: UnpackedImage, container: Path, ports: Mapping[str, str]
    ) -> dict[str, str]:
        own = {**image.env, **with_secrets(record.env, self.secrets)}
        names_storage = any(name.startswith("AWS_") for name in own)
        offered = {
            name: value
            for name, value in self.offered.items()
            if not (names_storage and name.startswith("AWS_"))
        }
        return {
            **BASE,
            **offered,
            # RunPod gives each pod a key, by which it can stop itself; the addresses keep that in this cloud.
            "RUNPOD_API_KEY": self.api_key,
            "RUNPOD_API_BASE_URL": self.base_url,
            "RUNPOD_ENDPOINT_BASE_URL": f"{self.base_url}/v2",
            **own,
            "HOME": str(container / "home"),
            "TMPDIR": str(container / "tmp"),
            **_platform(record),
            **ports,
        }


def _platform(record: PodRecord) -> dict[str, str]:
    """What RunPod tells every pod (docs.runpod.io/pods/templates/environment-variables, August 2026)."""
    vcpus = int(record.cpu[0].get("vcpuCount", 2)) if record.cpu else os.cpu_count() or 1
    volume = {"RUNPOD_VOLUME_ID": record.network_volume[0]} if record.network_volume else {}
    return {
        "RUNPOD_POD_ID": record.id,
        "RUNPOD_POD_HOSTNAME": f"{record.id}-local",
        "RUNPOD_DC_ID": record.data_center_id,
        "RUNPOD_GPU_COUNT": str(record.gpu_count),
        "RUNPOD_CPU_COUNT": str(vcpus),
        "RUNPOD_PUBLIC_IP": "127.0.0.1",
        **volume,
    }


def _works(mount: Mount, spec: Path) -> bool:
    """Some file systems can carry no layers that are written to; there, containers share what lies in their image."""
    command = namespace.enclose(["true"], spec, [mount], "/")
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def _wipe(folder: Path) -> None:
    """Also the folder that an overlay makes for itself, which not even its owner may read."""
    for hidden in folder.glob("work/*"):
        hidden.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
