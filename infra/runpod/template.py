"""`pilotlight-runpod:index:Template`: container settings that pods and endpoints made at the console start from."""

from enum import Enum
from typing import Any, ClassVar

from infra.catalog import load
from infra.kit import Change, CheckContext, Context, Created, Failure, Model, prop
from infra.runpod import known, marks
from infra.runpod.account import Account
from infra.runpod.collection import Raw
from infra.runpod.errors import Conflict, Rejected, at_property
from infra.runpod.listed import as_given, patch_of
from infra.runpod.managed import Managed

_NAMES = {
    "name": "name",
    "image": "image",
    "args": "args",
    "disk": "disk",
    "env": "env",
    "ports": "ports",
    "registry": "registryId",
    "mounts.persistent": "volume",
    "mounts": "volume",
    "serverless": "serverless",
    "public": "public",
    "category": "category",
    "allowedCudaVersions": "allowedCudaVersions",
}
_WORDS = {"registry": "registryId", "image": "image", "name": "name"}


class TemplateCategory(Enum):
    NVIDIA = "NVIDIA"
    AMD = "AMD"
    CPU = "CPU"


class TemplateVolume(Model):
    """Storage on the machine that a pod runs on; gone with that machine."""

    size_gb: int = prop(desc="Size in GB, at least 10.")
    path: str = prop("/workspace", desc="Where it is mounted.")


class TemplateInputs(Model):
    name: str | None = prop(auto_name=True, desc="Name, unique in the account.")
    image: str = prop(desc="Container image, best pinned by digest.")
    args: str = prop("", desc="Arguments of the container's entrypoint, in one string.")
    disk: int | None = prop(server_default=True, desc="Container disk in GB. Unset: RunPod's choice.")
    env: dict[str, str] = prop({}, desc="Environment. Secret when a value is secret.")
    ports: list[str] = prop([], desc="Exposed ports, such as 8000/http.")
    registry_id: str | None = prop(None, desc="Id of the registry credential for a private image.")
    volume: TemplateVolume | None = prop(None, desc="Storage of a pod made from it. Not for serverless.")
    serverless: bool = prop(False, desc="For endpoints (true) or pods (false).")
    public: bool = prop(False, desc="Whether every user of RunPod sees it, environment included.")
    category: TemplateCategory = prop(TemplateCategory.NVIDIA, desc="Where the console lists it.")
    start_ssh: bool = prop(True, desc="Whether pods made from it get the account's SSH keys.")
    start_jupyter: bool = prop(True, desc="Whether pods made from it get a password for JupyterLab.")
    allowed_cuda_versions: list[str] = prop([], desc="Acceptable CUDA versions (major.minor); empty = any.")
    has_volume: bool | None = prop(
        computed=True,
        change=Change.REPLACE_DELETE_FIRST,
        desc="Whether it has a volume. RunPod cannot take one away, so that replaces.",
    )


class TemplateState(TemplateInputs):
    pass


class Template(Managed[TemplateInputs, TemplateState]):
    """Container settings to start from at the console. A snapshot: what was made from it does not follow its changes."""

    Inputs: ClassVar = TemplateInputs
    State: ClassVar = TemplateState

    def check(self, ctx: CheckContext, inputs: TemplateInputs) -> list[Failure]:
        catalog = load()
        failures = [
            *known.name(inputs.name),
            *known.container(inputs),
            *known.in_range(catalog, "disk", inputs.disk, "disk_gb"),
            *known.cuda("", inputs.allowed_cuda_versions, None),
        ]
        if known.is_known(inputs.volume):
            failures += known.volume(inputs.volume, "volume")
            if inputs.serverless is True:
                reason = (
                    "a serverless template has no volume. Fix: remove it; endpoints mount network volumes"
                )
                failures.append(Failure("volume", reason))
        return failures

    def computed(self, ctx: CheckContext, inputs: TemplateInputs) -> dict[str, Any]:
        return {"has_volume": inputs.volume is not None}

    async def find(self, ctx: Context[Account], inputs: TemplateInputs) -> str | None:
        raws = await ctx.client.templates.all(ctx)
        found = marks.ours(raws, ctx.mark, inputs.name, "template", unique=True)
        return str(found["id"]) if found else None

    async def create(self, ctx: Context[Account], inputs: TemplateInputs) -> Created[TemplateState]:
        mark = str(ctx.mark)
        body = _desired(inputs, mark)
        if body["registry"] is None:
            del body["registry"]
        with at_property(_NAMES, _WORDS):
            raw = await ctx.client.templates.create(
                ctx, body, lambda raw: marks.of_environment(raw) == mark, inputs.env.values()
            )
        ctx.created(raw["id"])
        return Created(raw["id"], _state(raw, inputs))

    async def read(self, ctx: Context[Account], id: str, old: TemplateState | None) -> TemplateState | None:
        raw = await ctx.client.templates.get(ctx, id)
        return None if raw is None else _state(raw, old)

    async def update(
        self, ctx: Context[Account], id: str, old: TemplateState, new: TemplateInputs
    ) -> TemplateState:
        raw = await ctx.client.templates.current(ctx, id)
        patch = patch_of(raw, _desired(new, str(ctx.mark)))
        if patch:
            with at_property(_NAMES, _WORDS):
                raw = await ctx.client.templates.update(ctx, id, patch, new.env.values())
        return _state(raw, new)

    async def delete(self, ctx: Context[Account], id: str, old: TemplateState) -> None:
        try:
            await ctx.client.templates.delete(ctx, id)
        except (Rejected, Conflict) as error:
            error.fix = error.fix or "remove the pods and endpoints that use it, then run it again"
            raise


def _desired(inputs: TemplateInputs, mark: str) -> Raw:
    fields: Raw = {
        "name": inputs.name,
        "image": inputs.image,
        "args": inputs.args,
        "env": {**inputs.env, marks.MARK_KEY: mark},
        "ports": inputs.ports,
        "registry": inputs.registry_id,
        "serverless": inputs.serverless,
        "public": inputs.public,
        "category": inputs.category.value,
        "startSsh": inputs.start_ssh,
        "startJupyter": inputs.start_jupyter,
        "allowedCudaVersions": inputs.allowed_cuda_versions,
    }
    if inputs.disk is not None:
        fields["disk"] = inputs.disk
    if inputs.volume is not None:
        fields["mounts"] = {"persistent": {"size": inputs.volume.size_gb, "path": inputs.volume.path}}
    return fields


def _state(raw: Raw, hint: TemplateInputs | None) -> TemplateState:
    mount = (raw.get("mounts") or {}).get("persistent")
    return TemplateState(
        name=raw["name"],
        image=raw.get("image") or "",
        args=raw.get("args") or "",
        disk=raw.get("disk"),
        env=marks.without(raw.get("env")),
        ports=as_given(raw.get("ports"), getattr(hint, "ports", None)),
        registry_id=raw.get("registry") or None,
        volume=TemplateVolume(size_gb=mount["size"], path=mount["path"]) if mount else None,
        serverless=raw["serverless"],
        public=raw["public"],
        category=TemplateCategory(raw["category"]),
        start_ssh=raw["startSsh"],
        start_jupyter=raw["startJupyter"],
        allowed_cuda_versions=as_given(
            raw.get("allowedCudaVersions"), getattr(hint, "allowed_cuda_versions", None)
        ),
        has_volume=mount is not None,
    )
