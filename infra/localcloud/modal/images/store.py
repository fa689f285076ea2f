"""Images by id: a hash of what they are made of, so that an image that was built is never built again."""

import asyncio
import hashlib
import platform
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from modal_proto import api_pb2

from infra.localcloud.modal.errors import not_found
from infra.localcloud.modal.model import Runtime
from infra.localcloud.modal.tables import Table
from infra.localcloud.modal.waiting import Signal
from infra.localcloud.modal.world import World
from infra.spec.errors import PilotlightError

from .environment import VERSION, Environments, Tools, packages
from .recipe import Recipe, add_layer

KEPT_LOG = 1 << 18


@dataclass
class ImageRecord:
    """`status` is an `api_pb2.GenericResult.GenericStatus`, 0 while it is being built. `log` is that of its build."""

    image_id: str
    content: str
    image: api_pb2.Image
    builder_version: str
    created_at: float
    status: int = 0
    exception: str = ""
    log: str = ""


@dataclass(frozen=True)
class Unpacked:
    """An image of the local registry on disk: folders with its packages, and its ENV."""

    packages: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


# By reference; None if it is of another registry. PilotlightError if it cannot be had or run.
Registry = Callable[[str], Awaitable[Unpacked | None]]


class ImageStore:
    """Implements `model.Images`."""

    def __init__(self, world: World, tools: Tools, registry: Registry | None = None) -> None:
        self.records = Table(world.kv("images"), ImageRecord, "image_id")
        self._newest = world.kv("image-ids")
        self._unpacked = world.kv("image-bases")
        self._world, self._registry = world, registry
        self._environments = Environments(world.state_dir / "images", tools, world.mounts)
        self._builds: dict[str, asyncio.Task[None]] = {}
        # Any build has said something, or has ended.
        self.changed = Signal()

    def interpreter(self, image_id: str) -> Runtime:
        record = self.records[image_id]
        if record.status != api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
            raise RuntimeError(
                f"image {image_id} was not built: {record.exception or 'its build was interrupted'}"
            )
        recipe, base = self.recipe(image_id), self._base(image_id)
        python = self._environments.ready(recipe, base.packages)
        if python is None:
            raise RuntimeError(
                f"the packages of image {image_id} are gone from the disk; deploy its app again"
            )
        return Runtime(
            python=python,
            env={**base.env, **recipe.env},
            workdir=recipe.workdir,
            notes=(*self._about_base(recipe), *recipe.notes),
            copies=recipe.copies,
        )

    def recipe(self, image_id: str) -> Recipe:
        """KeyError if it, or one below it, is unknown."""
        image = self.records[image_id].image
        below = self.recipe(image.base_images[0].image_id) if image.base_images else Recipe()
        return add_layer(below, image)

    async def get_or_create(self, request: api_pb2.ImageGetOrCreateRequest) -> ImageRecord:
        """Built already, or being built from now on."""
        image = request.image
        for base in image.base_images:
            if base.image_id not in self.records:
                raise not_found(f"Image '{base.image_id}', which this one is based on, not found")
        content = _content(image, request.builder_version)
        known = self.records.get(self._newest.get(content, ""))
        again = request.force_build or request.ignore_cache
        if known is not None and not again and self._usable(known):
            return known
        if known is None or again:
            salt = self._world.new_id("") if known is not None else ""
            image_id = "im-" + hashlib.sha256(f"{content}{salt}".encode()).hexdigest()[:22]
            known = ImageRecord(image_id, content, image, request.builder_version, self._world.clock.now())
        known.status, known.exception, known.log = 0, "", ""
        self.records.put(known)
        self._newest.put(content, known.image_id)
        if known.image_id not in self._builds:
            self._builds[known.image_id] = asyncio.ensure_future(self._build(known))
        if not self.recipe(known.image_id).installs:
            await asyncio.wait({self._builds[known.image_id]})
        return known

    def metadata(self, record: ImageRecord) -> api_pb2.ImageMetadata:
        recipe = self.recipe(record.image_id)
        venv = self._environments.path(recipe, self._base(record.image_id).packages)
        return api_pb2.ImageMetadata(
            python_version_info=f"Python {platform.python_version()}",
            python_packages=packages(venv),
            workdir=recipe.workdir or "/root",
            libc_version_info=" ".join(part for part in platform.libc_ver() if part),
            image_builder_version=record.builder_version,
        )

    async def close(self) -> None:
        for build in list(self._builds.values()):
            build.cancel()
        if self._builds:
            await asyncio.wait(self._builds.values())
        await self._environments.close()

    async def _build(self, record: ImageRecord) -> None:
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            record.log = ("".join(said))[-KEPT_LOG:]
            self.changed.notify()

        try:
            recipe = self.recipe(record.image_id)
            own = add_layer(Recipe(), record.image)
            await self._pull(own.base)
            for note in (*self._about_base(own), *own.notes):
                say(f"[local cloud] {note}\n")
            await self._environments.build(recipe, say, self._base(record.image_id).packages)
            record.status = api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
        except asyncio.CancelledError:
            record.status, record.exception = (
                api_pb2.GenericResult.GENERIC_STATUS_TERMINATED,
                "the local cloud stopped",
            )
            raise
        except (PilotlightError, OSError, ValueError) as error:
            record.status, record.exception = api_pb2.GenericResult.GENERIC_STATUS_FAILURE, str(error)
        finally:
            self._builds.pop(record.image_id, None)
            self.records.put(record)
            self.changed.notify()

    async def _pull(self, reference: str) -> None:
        found = await self._registry(reference) if self._registry and reference else None
        if found is not None:
            self._unpacked.put(reference, {"packages": list(found.packages), "env": found.env})

    def _base(self, image_id: str) -> Unpacked:
        known = self._unpacked.get(self.recipe(image_id).base)
        return Unpacked(tuple(known["packages"]), known["env"]) if known else Unpacked(())

    def _about_base(self, recipe: Recipe) -> tuple[str, ...]:
        """What an image that is based on one of elsewhere does without."""
        if recipe.python not in ("", VERSION):
            return (f"the image asks for Python {recipe.python}; this machine runs it with Python {VERSION}",)
        if recipe.python or recipe.base in ("", "scratch") or self._unpacked.get(recipe.base) is not None:
            return ()
        return (f"image {recipe.base} is not pulled from its registry: what is in it is not there",)

    def _usable(self, record: ImageRecord) -> bool:
        if record.image_id in self._builds:
            return True
        if record.status != api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
            return False
        recipe = self.recipe(record.image_id)
        return self._environments.ready(recipe, self._base(record.image_id).packages) is not None


def _content(image: api_pb2.Image, builder_version: str) -> str:
    """Of what an image is made of. Secrets that a deploy brings along have a new id each time; the GPU and the memory of a
    build do not show in the result."""
    same = api_pb2.Image()
    same.CopyFrom(image)
    for name in ("secret_ids", "gpu_config", "image_registry_config", "runtime", "runtime_debug"):
        same.ClearField(name)
    return hashlib.sha256(same.SerializeToString(deterministic=True) + builder_version.encode()).hexdigest()
