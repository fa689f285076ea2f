"""`pilotlight-artifacts:index:Image`: a handler directory as an OCI image in a registry, pinned by digest."""

import asyncio
import json
import re
import tempfile
from enum import Enum
from pathlib import Path
from typing import Any

from infra.artifacts import recipe as recipes
from infra.artifacts.client import Client, cache_dir, shared_cache, toolchain
from infra.artifacts.image_push import LABEL, Builder
from infra.artifacts.oci.layers import LayerCache
from infra.artifacts.oci.reference import valid_repository
from infra.artifacts.oci.registry import Registry
from infra.artifacts.recipe import Recipe
from infra.artifacts.source import SourceChanged
from infra.kit import UNKNOWN, Change, CheckContext, Context, Created, Failure, Model, Resource, prop
from infra.spec.errors import PilotlightError

_MINOR = re.compile(r"3\.\d{1,2}")


class ImageMoved(PilotlightError):
    """The same inputs make another image than before."""


class Template(Enum):
    """What the image is for: workers of an endpoint on RunPod, or jobs in a pod."""

    RUNPOD = "runpod"
    RUNPOD_JOB = "runpod-job"


class Platform(Enum):
    """What the image runs on."""

    LINUX_AMD64 = "linux/amd64"


class ImageInputs(Model):
    """An image of a handler."""

    repository: str | None = prop(
        change=Change.REPLACE, auto_name=True, desc="Repository in the registry, such as `me/search`."
    )
    handler: str = prop(ignore=True, desc="Directory with `model.py`, relative to the one with Pulumi.yaml.")
    entry: str | None = prop(
        None,
        ignore=True,
        desc="The handler's file in the directory. Unset: model.py (or what a Truss config names).",
    )
    template: Template = prop(
        Template.RUNPOD,
        ignore=True,
        desc="What it is for: an endpoint's workers (runpod), or jobs (runpod-job).",
    )
    functions: list[str] = prop(
        [],
        ignore=True,
        desc="`file.py:function` that a job's image must have; a handler class is not wanted then.",
    )
    requirements: list[str] | None = prop(
        None,
        ignore=True,
        desc="Packages, each pinned (`name==version`). Default: the handler's requirements.txt.",
    )
    requirements_file: str | None = prop(None, ignore=True, desc="The same as a file, in place of the list.")
    python: str | None = prop(
        None, ignore=True, desc='Minor version such as "3.11"; default: the one that runs this provider.'
    )
    base: str | None = prop(
        None, ignore=True, desc="Image to build on, best pinned by digest; the local cloud needs none."
    )
    env: dict[str, str] = prop(
        {}, ignore=True, desc="Environment in the image. Not for secrets: whoever pulls the image reads it."
    )
    platform: Platform = prop(Platform.LINUX_AMD64, ignore=True, desc="What the image runs on.")
    files: dict[str, str] = prop(
        {}, ignore=True, desc="More files: absolute path in the image -> file or directory here."
    )
    source_hash: str | None = prop(
        computed=True, change=Change.REPLACE, desc="`sha256:<hex>` of everything that the image is made of."
    )
    missing: list[str] = prop(
        [], computed=True, desc="Blobs that the registry has lost; the next `pulumi up` sends them again."
    )


class ImageLayer(Model):
    """A layer of the image."""

    digest: str = prop(desc="`sha256:<hex>` of the compressed layer.")
    size: int = prop(desc="Bytes.")


class ImageState(ImageInputs):
    """An image as it is in the registry."""

    ref: str = prop("", desc="`host/repository@sha256:<hex>`: what an endpoint is given.")
    digest: str = prop("", desc="`sha256:<hex>` of the manifest.")
    size_bytes: int = prop(0, desc="Bytes of all blobs together.")
    layers: list[ImageLayer] = prop([], desc="The layers, base first.")


class Image(Resource[Client, ImageInputs, ImageState]):
    """An image in a registry."""

    Inputs = ImageInputs
    State = ImageState
    reads_disk = True
    create_timeout_s = update_timeout_s = 3600.0

    def check(self, ctx: CheckContext, inputs: ImageInputs) -> list[Failure]:
        failures = []
        if ctx.known(inputs.repository) and not valid_repository(inputs.repository or ""):
            reason = f"{inputs.repository!r} is no repository. Wanted: a-z, 0-9 and '.', '_', '-' in steps parted by '/'"
            failures.append(Failure("repository", reason))
        if ctx.known(inputs.python) and inputs.python is not None and not _MINOR.fullmatch(inputs.python):
            failures.append(
                Failure("python", f'{inputs.python!r} is no minor version. Wanted: such as "3.11"')
            )
        if failures or not _complete(ctx, inputs):
            return failures
        try:
            return [Failure(path, reason) for path, reason in _recipe(ctx.root, inputs).problems]
        except OSError as error:
            return [Failure("handler", f"{error.filename} cannot be read: {error.strerror}")]

    def computed(self, ctx: CheckContext, inputs: ImageInputs) -> dict[str, Any]:
        if not _complete(ctx, inputs):
            return {"source_hash": UNKNOWN}
        try:
            recipe = _recipe(ctx.root, inputs)
            return {} if recipe.problems else {"source_hash": recipe.source_hash()}
        except OSError:
            return {}

    async def find(self, ctx: Context[Client], inputs: ImageInputs) -> str | None:
        """By the tag that is our mark."""
        registry = await ctx.client.registry()
        stored = await registry.manifest(_repository(inputs), str(ctx.mark))
        return None if stored is None else f"{inputs.repository}@{stored.digest}"

    async def create(self, ctx: Context[Client], inputs: ImageInputs) -> Created[ImageState]:
        state = await _push(ctx, inputs)
        return Created(f"{state.repository}@{state.digest}", state)

    async def read(self, ctx: Context[Client], id: str, old: ImageState | None) -> ImageState | None:
        registry = await ctx.client.registry()
        repository, _, digest = id.rpartition("@")
        stored = await registry.manifest(repository, digest)
        if stored is None:
            return None
        manifest = json.loads(stored.content)
        blobs = [manifest["config"], *manifest["layers"]]
        there = await asyncio.gather(*(registry.has_blob(repository, blob["digest"]) for blob in blobs))
        missing = [blob["digest"] for blob, present in zip(blobs, there, strict=True) if not present]
        if missing and old is not None:
            ctx.warn(f"the registry has lost {len(missing)} blobs of {id}")
        given = _given(old) if old is not None else await _imported(registry, repository, manifest["config"])
        return ImageState(
            **{
                **given,
                "repository": repository,
                "missing": missing,
                "ref": f"{registry.host}/{repository}@{digest}",
                "digest": digest,
                "size_bytes": sum(blob["size"] for blob in blobs),
                "layers": [ImageLayer(digest=b["digest"], size=b["size"]) for b in manifest["layers"]],
            }
        )

    async def update(self, ctx: Context[Client], id: str, old: ImageState, new: ImageInputs) -> ImageState:
        state = await _push(ctx, new)
        if id != f"{state.repository}@{state.digest}":
            raise ImageMoved(
                f"what made {id} now makes {state.digest}: the base image moved, or was pinned by tag",
                wanted="a base pinned by digest",
                fix="Pin `base`, or run `pulumi up --replace` with this resource's URN.",
            )
        return state

    async def delete(self, ctx: Context[Client], id: str, old: ImageState) -> None:
        registry = await ctx.client.registry()
        repository, _, digest = id.rpartition("@")
        tag = str(ctx.mark)
        await registry.delete_manifest(repository, tag)
        if await registry.others_hold(repository, digest, tag):
            return
        if not await registry.delete_manifest(repository, digest):
            ctx.warn(f"{registry.host} does not let us delete images: {id} stays until you remove it there")


def _complete(ctx: CheckContext, inputs: ImageInputs) -> bool:
    parts = (
        inputs.handler,
        inputs.entry,
        inputs.template,
        inputs.requirements_file,
        inputs.python,
        inputs.base,
        inputs.platform,
    )
    lists = [
        value
        for given in (inputs.requirements or [], inputs.functions)
        for value in (given if ctx.known(given) else [UNKNOWN])
    ]
    maps = [
        value
        for given in (inputs.env, inputs.files)
        for value in (given.values() if ctx.known(given) else [UNKNOWN])
    ]
    return ctx.known(*parts, *lists, *maps)


def _recipe(root: Path | None, inputs: ImageInputs) -> Recipe:
    return recipes.read(
        root,
        handler=inputs.handler,
        template=inputs.template.value,
        entry=inputs.entry,
        functions=inputs.functions,
        packages=inputs.requirements,
        packages_file=inputs.requirements_file,
        python=inputs.python,
        base=inputs.base,
        env=inputs.env,
        files=inputs.files,
    )


async def _push(ctx: Context[Client], inputs: ImageInputs) -> ImageState:
    registry, repository = await ctx.client.registry(), _repository(inputs)
    if inputs.base is None and not ctx.client.local:
        raise PilotlightError(
            "the image has no base, and a real cloud has no Python for it",
            wanted="`base`: an image with python3 of the same minor version",
            fix='Set base, for example "docker.io/library/python:3.11-slim" pinned by digest.',
        )
    recipe = await asyncio.to_thread(_recipe, ctx.root, inputs)
    if recipe.problems or recipe.source_hash() != inputs.source_hash:
        changed = recipe.problems[0][1] if recipe.problems else f"{recipe.handler} or what it is built with"
        raise SourceChanged(
            f"the image's source changed since it was checked: {changed}", fix="Run `pulumi up` again."
        )
    builder = Builder(
        LayerCache(shared_cache("layers")),
        cache_dir(ctx.root, "uploads"),
        toolchain(ctx.root),
        ctx.status,
        ctx.client.registry_at,
        ctx.client.build_locks,
    )
    image = await builder.image(recipe)
    await builder.push(registry, repository, image, str(ctx.mark), inputs.base)
    state = ImageState(
        **{
            **_given(inputs),
            "missing": [],
            "ref": f"{registry.host}/{repository}@{image.digest}",
            "digest": image.digest,
            "size_bytes": image.size_bytes,
            "layers": [ImageLayer(digest=layer.digest, size=layer.size) for layer in image.layers],
        }
    )
    ctx.created(f"{repository}@{image.digest}", state)
    return state


async def _imported(registry: Registry, repository: str, config: dict[str, Any]) -> dict[str, Any]:
    """What the labels tell of an image that this state does not know."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        await registry.pull_blob(repository, config["digest"], file)
        labels = (json.loads(file.read_bytes()).get("config") or {}).get("Labels") or {}
    return {
        "handler": "",
        "source_hash": labels.get(f"{LABEL}source"),
        "python": labels.get(f"{LABEL}python"),
    }


def _given(inputs: ImageInputs) -> dict[str, Any]:
    return inputs.model_dump(include=set(ImageInputs.model_fields))


def _repository(inputs: ImageInputs) -> str:
    assert inputs.repository is not None
    return inputs.repository
