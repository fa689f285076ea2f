"""`pilotlight-modal:index:Volume`: files that containers mount."""

import asyncio
from typing import ClassVar

from infra.kit import Change, Context, prop
from infra.modal.client import ModalClient
from infra.modal.errors import Conflict, Missing
from infra.modal.named import Found, Made, Named, NamedInputs
from infra.modal.network_file_system import refuse_files

_AT_ONCE = 16


class VolumeInputs(NamedInputs):
    name: str | None = prop(
        auto_name=True,
        desc="Name in Modal, unique in the environment. A change renames the volume and keeps its files.",
    )
    version: int | None = prop(
        change=Change.REPLACE_DELETE_FIRST,
        server_default=True,
        ge=1,
        le=2,
        desc="Version of Modal's volume file system, 1 or 2. Unset: Modal's choice. A change deletes the files.",
    )
    force_destroy: bool = prop(
        False, desc="Whether it may be deleted while it still holds files, or apps that run still mount it."
    )


class VolumeState(VolumeInputs, Made):
    pass


class Volume(Named[VolumeInputs, VolumeState]):
    """Files that containers mount. Deleting one that holds files, or that an app mounts, needs `forceDestroy`."""

    Inputs: ClassVar = VolumeInputs
    State: ClassVar = VolumeState
    kind = "Volume"
    word = "volume"
    prefix = "vo-"

    async def make(self, ctx: Context[ModalClient], inputs: VolumeInputs, environment: str) -> None:
        client = await ctx.client.open()
        with client.doing(f"create the volume {inputs.name}"):
            await client.api.Volume.objects.create.aio(
                inputs.name, version=inputs.version, environment_name=environment, client=client.handle
            )

    async def change(
        self,
        ctx: Context[ModalClient],
        found: Found,
        environment: str,
        old: VolumeState,
        new: VolumeInputs,
    ) -> Found:
        if new.name is None or new.name == found.name:
            return found
        client = ctx.client
        with client.doing(f"rename the volume {found.name} to {new.name}"):
            await client.api.Volume.rename.aio(
                found.name, new.name, client=client.handle, environment_name=environment
            )
        client.renamed(found.id, new.name)
        renamed = await self.by_id(client, found.id, environment)
        if renamed is None:
            raise Missing(f"Modal renamed the volume {found.name} and does not have it now")
        return renamed

    async def state(
        self,
        ctx: Context[ModalClient],
        found: Found,
        environment: str,
        hint: VolumeInputs | VolumeState | None,
    ) -> VolumeState:
        answer = await ctx.client.rpc("VolumeGetById", f"read the volume {found.name}", volume_id=found.id)
        return VolumeState(
            name=found.name,
            environment=environment,
            version=max(1, int(answer.metadata.version)),
            force_destroy=hint.force_destroy if hint else False,
            created_at=found.created_at,
            created_by=found.created_by,
        )

    async def remove(
        self, ctx: Context[ModalClient], found: Found, environment: str, old: VolumeState
    ) -> None:
        if not old.force_destroy:
            users = await mounted_by(ctx.client, found.id, environment)
            if users:
                raise Conflict(
                    f"volume {found.name} is mounted by {', '.join(users[:3])}",
                    wanted="one that no running app mounts",
                    fix="stop or change the app first, or set `forceDestroy` (force_destroy=True) and run `pulumi up` "
                    "before destroying",
                )
            await refuse_files(ctx, found.name, await _entries(ctx.client, found), self.word)
        await super().remove(ctx, found, environment, old)


async def mounted_by(client: ModalClient, volume_id: str, environment: str) -> list[str]:
    """Functions that mount a volume, as `app.function`, in the environment's running apps."""
    await client.open()
    with client.doing(f"list the apps of {environment}"):
        place = client.api.Environment.from_name(environment, client=client.handle)
        apps = await place.apps.list.aio()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def mounts(app: str, function: str, id: str) -> str | None:
        async with slots:
            try:
                answer = await client.rpc("FunctionGetById", f"read {app}.{function}", function_id=id)
            except Missing:
                return None
        ranked = answer.function.ranked_functions
        mounted = [mount.volume_id for mount in ranked[0].function.volume_mounts] if ranked else []
        return f"{app}.{function}" if volume_id in mounted else None

    asked = []
    for app in apps:
        info = await app.info.aio()
        asked += [mounts(app.name or info.app_id, name, id) for name, id in info.functions.items()]
    return sorted(user for user in await asyncio.gather(*asked) if user)


async def _entries(client: ModalClient, found: Found) -> list[str]:
    with client.doing(f"list the files of {found.name}"):
        return [entry.path for entry in await found.raw.listdir.aio("/")]
