"""From a recipe to an image in a registry: layers made or taken from the cache, sent where they lack, then the manifest."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.artifacts import wheels
from infra.artifacts.oci import build, reference
from infra.artifacts.oci.build import Base, Image
from infra.artifacts.oci.layers import LayerCache
from infra.artifacts.oci.registry import Registry
from infra.artifacts.oci.tar import Entry, Layer
from infra.artifacts.recipe import Recipe

LABEL = "dev.pilotlight."


@dataclass
class Builder:
    """`registry_at` opens the registry of a base image. `status` is told what is going on."""

    layers: LayerCache
    uploads: Path
    tools: dict[str, Any]
    status: Callable[[str], None]
    registry_at: Callable[[str], Any]
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def image(self, recipe: Recipe) -> Image:
        base = await self._base(recipe.base)
        ours = [await self._packages(recipe), await self._app(recipe)]
        return build.assemble(
            base,
            [layer for layer in ours if layer is not None],
            entrypoint=["python3", "-u", f"/app/{recipe.starts}"],
            env={
                **recipe.env,
                "PYTHONPATH": f"/app:/{wheels.SITE}",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            labels={
                f"{LABEL}python": recipe.python,
                f"{LABEL}template": recipe.template_version,
                f"{LABEL}source": recipe.source_hash(),
            },
        )

    async def push(
        self, registry: Registry, repository: str, image: Image, tag: str, base: str | None
    ) -> None:
        """Blobs first, the manifest last, under a tag that says whose it is."""
        origin = reference.parse(base) if base is not None else None
        total = sum(layer.size for layer in image.layers) or 1
        done = 0

        def sent(count: int) -> None:
            nonlocal done
            done += count
            self.status(f"pushing the image, {100 * min(done, total) // total} %")

        for layer in image.layers:
            file = self.layers.blob(layer.digest)
            mount = origin.repository if origin is not None and origin.host == registry.host else None
            if (
                origin is not None
                and not file.exists()
                and not await registry.has_blob(repository, layer.digest)
            ):
                source = await self.registry_at(origin.host)
                self.status("fetching the base image")
                await source.pull_blob(origin.repository, layer.digest, file)
            before = done
            await registry.push_blob(
                repository, layer.digest, file, mount_from=mount, journals=self.uploads, sent=sent
            )
            sent(before + layer.size - done)
        await self._push_config(registry, repository, image)
        await registry.put_manifest(repository, tag, image.manifest)

    async def _push_config(self, registry: Registry, repository: str, image: Image) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(image.config)
            file.flush()
            await registry.push_blob(repository, image.config_digest, Path(file.name))

    async def _base(self, text: str | None) -> Base:
        if text is None:
            return Base()
        wanted = reference.parse(text)
        registry = await self.registry_at(wanted.host)
        self.status("reading the base image")

        async def blob(digest: str) -> bytes:
            file = self.layers.blob(digest)
            await registry.pull_blob(wanted.repository, digest, file)
            return file.read_bytes()

        return await build.read_base(registry, wanted, blob)

    async def _packages(self, recipe: Recipe) -> Layer | None:
        if not recipe.packages:
            return None
        async with self.locks.setdefault(recipe.packages_key, asyncio.Lock()):
            known = self.layers.get(recipe.packages_key)
            if known is not None:
                return known
            with tempfile.TemporaryDirectory(prefix="pilotlight-site-") as folder:
                target = Path(folder) / "site"
                self.status(f"installing {len(recipe.packages)} packages")
                await wheels.Installer(self.tools).install(recipe.packages, recipe.python, target)
                self.status("compiling the packages")
                await wheels.compile_site(target, recipe.python)
                self.status("packing the packages")
                return await asyncio.to_thread(
                    self.layers.layer, recipe.packages_key, lambda: wheels.site_entries(target)
                )

    async def _app(self, recipe: Recipe) -> Layer:
        self.status("packing the handler")
        return await asyncio.to_thread(self.layers.layer, recipe.app_key, lambda: app_entries(recipe))


def app_entries(recipe: Recipe) -> list[Entry]:
    """`/app`: what the template renders, the handler's directory, and the extra files where they are wanted."""
    from images.render import RenderOptions, render

    rendered = render(recipe.template, recipe.handler, RenderOptions(entry=recipe.entry))
    entries = [
        Entry(f"app/{name}", content) for name, content in rendered.items() if not name.startswith("handler/")
    ]
    entries += [Entry(f"app/handler/{name}", body, bits) for name, body, bits in recipe.tree.contents()]
    taken = {entry.path for entry in entries}
    return entries + [Entry(*extra) for extra in recipe.extra.contents() if extra[0] not in taken]
