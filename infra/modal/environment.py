"""`pilotlight-modal:index:Environment`: a part of the workspace with apps, volumes and secrets of its own."""

import re
from typing import Any, ClassVar

from infra.kit import Change, CheckContext, Context, Created, Failure, InTheWay, Model, Resource, prop
from infra.modal import rules
from infra.modal.client import ModalClient
from infra.modal.errors import Conflict, Exists, Missing
from infra.modal.ledger import Ledger, Note

_SUFFIX = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class EnvironmentInputs(Model):
    name: str | None = prop(change=Change.REPLACE, auto_name=True, desc="Name, unique in the workspace.")
    web_suffix: str | None = prop(
        server_default=True,
        desc="What web addresses of its apps have in them. Unset: Modal's choice, made from the name.",
    )
    restricted: bool = prop(
        False,
        change=Change.REPLACE,
        desc="Whether members of the workspace need a role in it to use it.",
    )
    force_destroy: bool = prop(
        False, desc="Whether it may be deleted with everything that is in it: apps, volumes, secrets."
    )


class EnvironmentState(EnvironmentInputs):
    created_at: str = prop("", desc="When it was created (ISO 8601), where Modal says so.")
    is_default: bool = prop(False, desc="Whether it is the workspace's default environment.")


class Environment(Resource[ModalClient, EnvironmentInputs, EnvironmentState]):
    """A part of the workspace. Deleting one deletes everything in it, so one that is not empty needs `forceDestroy`."""

    Inputs: ClassVar = EnvironmentInputs
    State: ClassVar = EnvironmentState

    def check(self, ctx: CheckContext, inputs: EnvironmentInputs) -> list[Failure]:
        failures = [*rules.environment("name", inputs.name)]
        suffix = inputs.web_suffix
        if rules.is_known(suffix) and suffix and not _SUFFIX.fullmatch(suffix):
            failures.append(
                Failure(
                    "webSuffix", f"{suffix!r} is no suffix. Wanted: a-z, 0-9 and '-', as in a host's name"
                )
            )
        return failures

    async def find(self, ctx: Context[ModalClient], inputs: EnvironmentInputs) -> str | None:
        note = _ledger(ctx).get(str(ctx.mark))
        for item in await _all(ctx.client):
            if note is not None and item.name == note.name and note.id in ("", item.environment_id):
                return str(item.environment_id)
            if item.name == inputs.name:
                raise InTheWay(item.environment_id, f'Modal environment "{item.name}"')
        return None

    async def create(self, ctx: Context[ModalClient], inputs: EnvironmentInputs) -> Created[EnvironmentState]:
        client, ledger = await ctx.client.open(), _ledger(ctx)
        name = str(inputs.name)
        ledger.note(str(ctx.mark), Note(name, ""))
        try:
            with client.doing(f"create the environment {name}"):
                await client.api.Environment.objects.create.aio(
                    name, restricted=inputs.restricted, client=client.handle
                )
        except Exists:
            ledger.forget(str(ctx.mark))
            raise InTheWay(name, f'Modal environment "{name}"') from None
        item = next((item for item in await _all(client) if item.name == name), None)
        if item is None:
            raise Missing(f"Modal made the environment {name} and does not have it now")
        ledger.note(str(ctx.mark), Note(name, "", item.environment_id))
        ctx.created(item.environment_id)
        return Created(item.environment_id, await self._brought_to(ctx, item, inputs))

    async def read(
        self, ctx: Context[ModalClient], id: str, old: EnvironmentState | None
    ) -> EnvironmentState | None:
        item = await _one(ctx.client, id)
        return None if item is None else _state(item, old)

    async def update(
        self, ctx: Context[ModalClient], id: str, old: EnvironmentState, new: EnvironmentInputs
    ) -> EnvironmentState:
        item = await _one(ctx.client, id)
        if item is None:
            raise Missing(
                f"Modal has no environment {old.name} any more", fix="run `pulumi refresh`, then `pulumi up`"
            )
        return await self._brought_to(ctx, item, new)

    async def delete(self, ctx: Context[ModalClient], id: str, old: EnvironmentState) -> None:
        item = await _one(ctx.client, id)
        if item is not None:
            if item.default:
                raise Conflict(f"{item.name} is the workspace's default environment, which cannot be deleted")
            if not old.force_destroy:
                await _refuse_contents(ctx.client, item.name)
            with ctx.client.doing(f"delete the environment {item.name}"):
                await ctx.client.api.Environment.objects.delete.aio(item.name, client=ctx.client.handle)
        _ledger(ctx).forget(str(ctx.mark))

    async def _brought_to(
        self, ctx: Context[ModalClient], item: Any, inputs: EnvironmentInputs
    ) -> EnvironmentState:
        if inputs.web_suffix is not None and inputs.web_suffix != item.webhook_suffix:
            from google.protobuf.wrappers_pb2 import StringValue

            await ctx.client.rpc(
                "EnvironmentUpdate",
                f"change the environment {item.name}",
                current_name=item.name,
                web_suffix=StringValue(value=inputs.web_suffix),
            )
            item = await _one(ctx.client, item.environment_id) or item
        return _state(item, inputs)


async def _all(client: ModalClient) -> list[Any]:
    answer = await client.rpc("EnvironmentList", "list the environments")
    return list(answer.items)


async def _one(client: ModalClient, id: str) -> Any:
    """By id; an import may give the name."""
    return next((item for item in await _all(client) if id in (item.environment_id, item.name)), None)


def _state(item: Any, hint: EnvironmentInputs | None) -> EnvironmentState:
    from datetime import UTC, datetime

    from infra.modal.named import moment

    return EnvironmentState(
        name=item.name,
        web_suffix=item.webhook_suffix,
        restricted=item.is_managed,
        force_destroy=hint.force_destroy if hint else False,
        created_at=moment(datetime.fromtimestamp(item.created_at, UTC)) if item.created_at else "",
        is_default=item.default,
    )


async def _refuse_contents(client: ModalClient, name: str) -> None:
    held = []
    with client.doing(f"see what is in the environment {name}"):
        place = client.api.Environment.from_name(name, client=client.handle)
        if apps := await place.apps.list.aio():
            held.append(f"{len(apps)} apps")
        for kind in ("Volume", "Secret", "Dict", "Queue"):
            objects = await getattr(client.api, kind).objects.list.aio(
                environment_name=name, client=client.handle
            )
            if objects:
                held.append(f"{len(objects)} {kind.lower()}s")
    if held:
        raise Conflict(
            f"environment {name} still holds {', '.join(held)}",
            wanted="an empty environment",
            fix="set `forceDestroy` (force_destroy=True) and run `pulumi up` before destroying, or empty it yourself",
        )


def _ledger(ctx: Context[ModalClient]) -> Ledger:
    return Ledger(ctx.client.state_dir / "ledger")
