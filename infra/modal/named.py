"""What volumes, dicts, queues, file systems and secrets have in common: found by name, kept by id.

Modal's names are unique in an environment, and creation fails where one is taken. So an object with our name is ours
only if the ledger says that we were about to make it, or (secrets) if it carries our mark.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar, cast

from infra.kit import Change, CheckContext, Context, Created, Failure, InTheWay, Model, Resource, prop
from infra.modal import rules
from infra.modal.client import ModalClient
from infra.modal.errors import Exists, Missing, no_id
from infra.modal.ledger import Ledger, Note


class NamedInputs(Model):
    name: str | None = prop(
        change=Change.REPLACE, auto_name=True, desc="Name in Modal, unique in the environment."
    )
    environment: str | None = prop(
        change=Change.REPLACE,
        server_default=True,
        desc="Environment that it is in. Unset: the provider's, else the workspace's default one.",
    )


class Made(Model):
    """What Modal says of each object's creation."""

    created_at: str = prop(desc="When it was created (ISO 8601).")
    created_by: str = prop("", desc="Who created it, where Modal says so.")


@dataclass(frozen=True)
class Found:
    """An object as Modal has it. `environment` is "" where Modal does not say it."""

    id: str
    name: str
    environment: str = ""
    created_at: str = ""
    created_by: str = ""
    raw: Any = None  # further metadata, for one kind of object


I = TypeVar("I", bound=NamedInputs)  # noqa: E741
S = TypeVar("S", bound=Model)


class Named(Resource[ModalClient, I, S], Generic[I, S]):
    """`kind` is the class in Modal's client, `word` what a user calls it, `prefix` what its ids begin with."""

    kind: ClassVar[str]
    word: ClassVar[str]
    prefix: ClassVar[str]

    create_timeout_s: ClassVar[float] = 120.0
    update_timeout_s: ClassVar[float] = 120.0

    def check(self, ctx: CheckContext, inputs: I) -> list[Failure]:
        return [*rules.name("name", inputs.name), *rules.environment("environment", inputs.environment)]

    async def find(self, ctx: Context[ModalClient], inputs: I) -> str | None:
        environment = await ctx.client.environment(inputs.environment)
        note = _ledger(ctx).get(str(ctx.mark))
        if note is not None:
            made = await self.lookup(ctx.client, note.name, note.environment)
            if made is not None and note.id in ("", made.id):
                return made.id
        there = await self.lookup(ctx.client, _name(inputs), environment)
        if there is None:
            return None
        if await self.carries_mark(ctx, there):
            return there.id
        raise self._in_the_way(there, environment)

    async def create(self, ctx: Context[ModalClient], inputs: I) -> Created[S]:
        environment, ledger = await ctx.client.environment(inputs.environment), _ledger(ctx)
        note = Note(_name(inputs), environment)
        ledger.note(str(ctx.mark), note)
        try:
            await self.make(ctx, inputs, environment)
        except Exists:
            ledger.forget(str(ctx.mark))
            there = await self.lookup(ctx.client, _name(inputs), environment)
            if there is None:
                raise
            raise self._in_the_way(there, environment) from None
        made = await self.lookup(ctx.client, _name(inputs), environment)
        if made is None:
            raise Missing(f"Modal made the {self.word} {inputs.name} and does not have it now")
        ledger.note(str(ctx.mark), Note(note.name, environment, made.id))
        ctx.created(made.id)
        return Created(made.id, await self.state(ctx, made, environment, inputs))

    async def read(self, ctx: Context[ModalClient], id: str, old: S | None) -> S | None:
        if not id.startswith(self.prefix):
            environment = await ctx.client.environment(None)
            named = await self.lookup(ctx.client, id, environment) if rules.is_name(id) else None
            raise no_id(id, self.word, self.prefix, named.id if named else None)
        found = await self.by_id(ctx.client, id, getattr(old, "environment", None))
        if found is None:
            return None
        environment = getattr(old, "environment", None) or found.environment
        environment = environment or await self._environment_of(ctx.client, found)
        return await self.state(ctx, found, environment, old)

    async def update(self, ctx: Context[ModalClient], id: str, old: S, new: I) -> S:
        environment = getattr(old, "environment", None) or await ctx.client.environment(new.environment)
        found = await self.by_id(ctx.client, id, environment)
        if found is None:
            raise Missing(
                f"Modal has no {self.word} {id} any more", fix="run `pulumi refresh`, then `pulumi up`"
            )
        found = await self.change(ctx, found, environment, old, new)
        return await self.state(ctx, found, environment, new)

    async def delete(self, ctx: Context[ModalClient], id: str, old: S) -> None:
        environment = getattr(old, "environment", None)
        found = await self.by_id(ctx.client, id, environment)
        if found is not None:
            environment = environment or found.environment or await self._environment_of(ctx.client, found)
            await self.remove(ctx, found, environment, old)
        _ledger(ctx).forget(str(ctx.mark))

    async def make(self, ctx: Context[ModalClient], inputs: I, environment: str) -> None:
        """Create it; `Exists` where the name is taken."""
        client = await ctx.client.open()
        with client.doing(f"create the {self.word} {inputs.name}"):
            await getattr(client.api, self.kind).objects.create.aio(
                inputs.name, environment_name=environment, client=client.handle
            )

    async def state(self, ctx: Context[ModalClient], found: Found, environment: str, hint: I | S | None) -> S:
        made = {"created_at": found.created_at, "created_by": found.created_by}
        return cast(S, self.State.model_validate({"name": found.name, "environment": environment, **made}))

    async def change(
        self, ctx: Context[ModalClient], found: Found, environment: str, old: S, new: I
    ) -> Found:
        """Bring it to `new`, and say what it is then."""
        return found

    async def remove(self, ctx: Context[ModalClient], found: Found, environment: str, old: S) -> None:
        client = await ctx.client.open()
        with client.doing(f"delete the {self.word} {found.name}"):
            await getattr(client.api, self.kind).objects.delete.aio(
                found.name, allow_missing=True, environment_name=environment, client=client.handle
            )

    async def carries_mark(self, ctx: Context[ModalClient], found: Found) -> bool:
        return False

    async def lookup(self, client: ModalClient, name: str, environment: str) -> Found | None:
        await client.open()
        handle = getattr(client.api, self.kind).from_name(
            name, environment_name=environment, client=client.handle
        )
        return await self._hydrated(client, handle, f"find the {self.word} {name}")

    async def by_id(self, client: ModalClient, id: str, environment: str | None) -> Found | None:
        await client.open()
        handle = getattr(client.api, self.kind).from_id(id, client=client.handle)
        return await self._hydrated(client, handle, f"read the {self.word} {id}")

    async def _hydrated(self, client: ModalClient, handle: Any, doing: str) -> Found | None:
        try:
            with client.doing(doing):
                await handle.hydrate.aio()
                info = await handle.info.aio()
        except Missing:
            return None
        return Found(
            handle.object_id,
            info.name or "",
            getattr(info, "environment_name", "") or "",
            moment(info.created_at),
            info.created_by or "",
            raw=handle,
        )

    async def _environment_of(self, client: ModalClient, found: Found) -> str:
        """Of an imported object: the environment whose object of that name has this id."""
        for name in await environments(client):
            there = await self.lookup(client, found.name, name)
            if there is not None and there.id == found.id:
                return name
        return await client.environment(None)

    def _in_the_way(self, there: Found, environment: str) -> InTheWay:
        return InTheWay(
            there.id, f'Modal {self.word} "{there.name}" ({there.id}) in environment {environment}'
        )


async def environments(client: ModalClient) -> list[str]:
    await client.open()
    with client.doing("list the environments"):
        found = await client.api.Environment.objects.list.aio(client=client.handle)
    return [str(environment.name) for environment in found]


def moment(when: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    from datetime import UTC

    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ledger(ctx: Context[ModalClient]) -> Ledger:
    return Ledger(ctx.client.state_dir / "ledger")


def _name(inputs: NamedInputs) -> str:
    assert inputs.name is not None
    return inputs.name
