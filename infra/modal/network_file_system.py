"""`pilotlight-modal:index:NetworkFileSystem`: the predecessor of Volume, for what already uses it."""

from typing import ClassVar

from infra.kit import Context, prop
from infra.modal.client import ModalClient
from infra.modal.errors import Missing
from infra.modal.named import Found, Named, NamedInputs

_DEPRECATED = (
    "Modal has deprecated network file systems and will remove them: use pilotlight-modal:index:Volume"
)


class NetworkFileSystemInputs(NamedInputs):
    force_destroy: bool = prop(False, desc="Whether it may be deleted while it still holds files.")


class NetworkFileSystemState(NetworkFileSystemInputs):
    pass


class NetworkFileSystem(Named[NetworkFileSystemInputs, NetworkFileSystemState]):
    """A file system that functions share. Deprecated by Modal: use Volume."""

    Inputs: ClassVar = NetworkFileSystemInputs
    State: ClassVar = NetworkFileSystemState
    kind = "NetworkFileSystem"
    word = "network file system"
    prefix = "sv-"

    async def make(
        self, ctx: Context[ModalClient], inputs: NetworkFileSystemInputs, environment: str
    ) -> None:
        ctx.warn(_DEPRECATED)
        client = await ctx.client.open()
        with client.doing(f"create the network file system {inputs.name}"):
            await client.api.NetworkFileSystem.create_deployed.aio(
                inputs.name, environment_name=environment, client=client.handle
            )

    async def change(
        self,
        ctx: Context[ModalClient],
        found: Found,
        environment: str,
        old: NetworkFileSystemState,
        new: NetworkFileSystemInputs,
    ) -> Found:
        ctx.warn(_DEPRECATED)
        return found

    async def state(
        self,
        ctx: Context[ModalClient],
        found: Found,
        environment: str,
        hint: NetworkFileSystemInputs | NetworkFileSystemState | None,
    ) -> NetworkFileSystemState:
        force = hint.force_destroy if hint else False
        return NetworkFileSystemState(name=found.name, environment=environment, force_destroy=force)

    async def remove(
        self, ctx: Context[ModalClient], found: Found, environment: str, old: NetworkFileSystemState
    ) -> None:
        client = ctx.client
        if not old.force_destroy:
            await refuse_files(
                ctx, found.name, await self._entries(client, found.name, environment), self.word
            )
        try:
            with client.doing(f"delete the network file system {found.name}"):
                await client.api.NetworkFileSystem.delete.aio(
                    found.name, client=client.handle, environment_name=environment
                )
        except Missing:
            return

    async def lookup(self, client: ModalClient, name: str, environment: str) -> Found | None:
        return next((item for item in await self._all(client, environment) if item.name == name), None)

    async def by_id(self, client: ModalClient, id: str, environment: str | None) -> Found | None:
        from infra.modal.named import environments

        for place in [environment] if environment else await environments(client):
            for item in await self._all(client, place):
                if item.id == id:
                    return item
        return None

    async def _all(self, client: ModalClient, environment: str) -> list[Found]:
        doing = f"list the network file systems of {environment}"
        try:
            answer = await client.rpc("SharedVolumeList", doing, environment_name=environment)
        except Missing:
            return []
        return [Found(item.shared_volume_id, item.label, environment) for item in answer.items]

    async def _entries(self, client: ModalClient, name: str, environment: str) -> list[str]:
        with client.doing(f"list the files of {name}"):
            handle = client.api.NetworkFileSystem.from_name(
                name, environment_name=environment, client=client.handle
            )
            return [entry.path for entry in await handle.listdir.aio("/")]


async def refuse_files(ctx: Context[ModalClient], name: str, entries: list[str], word: str) -> None:
    """Raises where deleting would lose files."""
    from infra.modal.errors import Conflict

    if entries:
        raise Conflict(
            f"{word} {name} still holds {', '.join(entries[:3])}{' and more' if len(entries) > 3 else ''}",
            wanted="one that is empty",
            fix="set `forceDestroy` (force_destroy=True) and run `pulumi up` before destroying, or empty it yourself",
        )
