"""`pilotlight-runpod:index:NetworkVolume`: storage in one data center that workers and pods there mount."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, ClassVar

from infra.catalog import load
from infra.kit import Change, CheckContext, Context, Created, Failure, Model, prop
from infra.runpod import known, marks
from infra.runpod.account import Account
from infra.runpod.collection import Raw
from infra.runpod.errors import Conflict, at_property
from infra.runpod.managed import Managed

_NAMES = {"name": "name", "size": "sizeGb", "dataCenter": "dataCenter", "type": "type"}
_WORDS = {"data center": "dataCenter", "storage tier": "type", "size": "sizeGb"}


class VolumeType(Enum):
    STANDARD = "STANDARD"
    HIGH_PERFORMANCE = "HIGH_PERFORMANCE"


class NetworkVolumeInputs(Model):
    name: str | None = prop(auto_name=True, desc="Name in RunPod's console, where our mark stands behind it.")
    size_gb: int = prop(desc="Size in GB, 10 to 4096. It only grows.")
    data_center: str = prop(
        change=Change.REPLACE, desc="Data center that it is in, for life. A change makes a new, empty volume."
    )
    type: VolumeType | None = prop(
        change=Change.REPLACE, server_default=True, desc="Storage tier. Unset: the data center's default."
    )
    force_destroy: bool = prop(
        False,
        write_only=True,
        ignore=True,
        desc="Whether it may be deleted, with every file in it, even while something mounts it. RunPod's API does not "
        "tell whether a volume holds files, so without this none is deleted.",
    )


class NetworkVolumeState(NetworkVolumeInputs):
    pass


class NetworkVolume(Managed[NetworkVolumeInputs, NetworkVolumeState]):
    """Storage that outlives workers and pods. It only grows, and deleting it needs `forceDestroy`."""

    Inputs: ClassVar = NetworkVolumeInputs
    State: ClassVar = NetworkVolumeState

    def check(self, ctx: CheckContext, inputs: NetworkVolumeInputs) -> list[Failure]:
        catalog = load()
        failures = [
            *known.name(inputs.name, marks.LONGEST_MARKED_NAME),
            *known.in_range(catalog, "sizeGb", inputs.size_gb, "volume_size_gb"),
            *known.data_center(catalog, "dataCenter", inputs.data_center),
        ]
        return failures or [*_shrunk(ctx, inputs)]

    async def find(self, ctx: Context[Account], inputs: NetworkVolumeInputs) -> str | None:
        raws = await ctx.client.volumes.all(ctx)
        found = marks.ours(raws, ctx.mark, inputs.name, "network volume", mark_of=marks.of_name)
        return str(found["id"]) if found else None

    async def create(self, ctx: Context[Account], inputs: NetworkVolumeInputs) -> Created[NetworkVolumeState]:
        name = marks.write(str(inputs.name), ctx.mark)
        body: Raw = {"name": name, "size": inputs.size_gb, "dataCenter": inputs.data_center}
        if inputs.type is not None:
            body["type"] = inputs.type.value
        with at_property(_NAMES, _WORDS):
            raw = await ctx.client.volumes.create(ctx, body, lambda raw: bool(raw["name"] == name))
        ctx.created(raw["id"])
        return Created(raw["id"], _state(raw, inputs))

    async def read(
        self, ctx: Context[Account], id: str, old: NetworkVolumeState | None
    ) -> NetworkVolumeState | None:
        raw = await ctx.client.volumes.get(ctx, id)
        return None if raw is None else _state(raw, old)

    async def update(
        self, ctx: Context[Account], id: str, old: NetworkVolumeState, new: NetworkVolumeInputs
    ) -> NetworkVolumeState:
        raw = await ctx.client.volumes.current(ctx, id)
        patch: Raw = {}
        if marks.read(raw["name"])[0] != new.name:
            patch["name"] = marks.write(str(new.name), ctx.mark)
        if raw["size"] != new.size_gb:
            patch["size"] = new.size_gb
        if patch:
            with at_property(_NAMES, _WORDS):
                raw = await ctx.client.volumes.update(ctx, id, patch)
        return _state(raw, new)

    async def delete(self, ctx: Context[Account], id: str, old: NetworkVolumeState) -> None:
        raw = await ctx.client.volumes.get(ctx, id, fresh=True)
        if raw is None:
            return
        if not getattr(old, "force_destroy", False):
            name = marks.read(raw["name"])[0]
            users = await mounted_by(ctx, id)
            mounted = f", and {', '.join(users[:3])} mounts it" if users else ""
            raise Conflict(
                f'network volume "{name}" ({id}) is protected: it may hold files{mounted}',
                fix="set `forceDestroy` (force_destroy=True), run `pulumi up`, and then remove it. Or, once you have "
                "copied its files, delete it at RunPod's console and run this again",
            )
        await ctx.client.volumes.delete(ctx, id)

    async def discard(self, ctx: Context[Account], id: str, old: NetworkVolumeState) -> None:
        # Its id never reached a program, so there is nothing in it, unless someone found and mounted it.
        users = await mounted_by(ctx, id)
        if users:
            raise Conflict(f"network volume {id} was left behind, and {', '.join(users[:3])} mounts it")
        await ctx.client.volumes.delete(ctx, id)


async def mounted_by(ctx: Context[Account], id: str) -> list[str]:
    """Endpoints and pods that mount a volume, in words."""
    users = [
        f'endpoint "{raw["name"]}"'
        for raw in await ctx.client.endpoints.all(ctx, fresh=True)
        if id in (raw.get("networkVolumes") or [])
    ]
    for raw in await ctx.client.pods.all(ctx, fresh=True):
        mounts = (raw.get("mounts") or {}).get("network") or []
        if any(mount.get("volumeId") == id for mount in mounts):
            users.append(f'pod "{raw["name"]}"')
    return users


def _shrunk(ctx: CheckContext, inputs: NetworkVolumeInputs) -> Iterator[Failure]:
    have = ctx.olds.get("sizeGb")
    if not isinstance(have, int) or not ctx.known(inputs.size_gb) or inputs.size_gb >= have:
        return
    if _replaced(ctx.olds, inputs):
        return
    yield Failure(
        "sizeGb",
        f"found {inputs.size_gb}, and the volume has {have} GB. Wanted: at least {have}, because RunPod's volumes only "
        "grow. Fix: keep the size, or declare another volume and copy the files",
    )


def _replaced(olds: Any, inputs: NetworkVolumeInputs) -> bool:
    kind = inputs.type.value if isinstance(inputs.type, VolumeType) else None
    return olds.get("dataCenter") != inputs.data_center or (kind is not None and olds.get("type") != kind)


def _state(raw: Raw, hint: NetworkVolumeInputs | None) -> NetworkVolumeState:
    return NetworkVolumeState(
        name=marks.read(raw["name"])[0],
        size_gb=raw["size"],
        data_center=raw["dataCenter"],
        type=VolumeType(raw["type"]) if raw.get("type") else None,
        force_destroy=bool(getattr(hint, "force_destroy", False)),
    )
