"""`pilotlight-runpod:index:Registry`: the login of a private container registry."""

from typing import ClassVar

from infra.kit import Change, CheckContext, Context, Created, Failure, Model, prop
from infra.runpod import known, marks
from infra.runpod.account import Account
from infra.runpod.collection import Raw
from infra.runpod.errors import Conflict, Missing, Rejected, at_property
from infra.runpod.managed import Managed

_NAMES = {"name": "name", "username": "username", "password": "password"}


class RegistryInputs(Model):
    name: str | None = prop(
        change=Change.REPLACE,
        auto_name=True,
        desc="Name in RunPod's console, where our mark stands behind it.",
    )
    username: str = prop(write_only=True, change=Change.REPLACE, desc="User of the registry.")
    password: str = prop(
        secret=True,
        write_only=True,
        change=Change.REPLACE,
        desc="Password or token. RunPod never returns it and cannot change it: a new one makes a new credential.",
    )


class RegistryState(RegistryInputs):
    pass


class Registry(Managed[RegistryInputs, RegistryState]):
    """The login of a private container registry. RunPod cannot change one, so every change makes another.

    The mark is part of the name, so the next one never collides with the one that it replaces, and endpoints move to it before
    the old one goes.
    """

    Inputs: ClassVar = RegistryInputs
    State: ClassVar = RegistryState

    def check(self, ctx: CheckContext, inputs: RegistryInputs) -> list[Failure]:
        failures = [*known.name(inputs.name, marks.LONGEST_MARKED_NAME)]
        for path, value in (("username", inputs.username), ("password", inputs.password)):
            if value == "":
                failures.append(
                    Failure(path, f"the {path} is empty. Wanted: what `docker login` would be given")
                )
        return failures

    async def find(self, ctx: Context[Account], inputs: RegistryInputs) -> str | None:
        """What a killed run left is removed instead of adopted: nobody can tell which password is in it."""
        raws = await ctx.client.registries.all(ctx)
        found = marks.ours(raws, ctx.mark, inputs.name, "registry credential", mark_of=marks.of_name)
        return await self._kept(ctx, found) if found else None

    async def create(self, ctx: Context[Account], inputs: RegistryInputs) -> Created[RegistryState]:
        name = marks.write(str(inputs.name), ctx.mark)
        body: Raw = {"name": name, "username": inputs.username, "password": inputs.password}
        with at_property(_NAMES):
            raw = await ctx.client.registries.create(
                ctx, body, lambda raw: bool(raw["name"] == name), [inputs.password]
            )
        ctx.created(raw["id"])
        return Created(raw["id"], _state(raw, inputs))

    async def read(self, ctx: Context[Account], id: str, old: RegistryState | None) -> RegistryState | None:
        raw = await ctx.client.registries.get(ctx, id)
        return None if raw is None else _state(raw, old)

    async def update(
        self, ctx: Context[Account], id: str, old: RegistryState, new: RegistryInputs
    ) -> RegistryState:
        return _state(await ctx.client.registries.current(ctx, id), new)

    async def delete(self, ctx: Context[Account], id: str, old: RegistryState) -> None:
        try:
            await ctx.client.registries.delete(ctx, id)
        except (Rejected, Conflict) as error:
            error.fix = error.fix or "remove the pods that use it, or give them another, then run it again"
            raise

    async def _kept(self, ctx: Context[Account], raw: Raw) -> str | None:
        try:
            await ctx.client.registries.delete(ctx, raw["id"])
        except Missing:
            return None
        except (Rejected, Conflict):
            ctx.warn(
                f"took over registry credential {raw['id']}, which an interrupted run left and a pod uses: its password "
                "is taken to be the declared one"
            )
            return str(raw["id"])
        return None


def _state(raw: Raw, hint: RegistryInputs | None) -> RegistryState:
    return RegistryState(
        name=marks.read(raw["name"])[0],
        username=getattr(hint, "username", None) or "",
        password=getattr(hint, "password", None) or "",
    )
