"""`pilotlight-runpod:index:Secret`: a value of the account that environments name and never hold."""

import re
from typing import ClassVar

from infra.kit import Change, CheckContext, Context, Created, Failure, InTheWay, Model, prop
from infra.runpod import marks
from infra.runpod.account import Account
from infra.runpod.collection import Raw
from infra.runpod.errors import Conflict, Missing
from infra.runpod.known import is_known
from infra.runpod.managed import Managed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class SecretInputs(Model):
    name: str | None = prop(
        change=Change.REPLACE, auto_name=True, desc="Name, unique in the account; environments refer to it."
    )
    value: str = prop(secret=True, write_only=True, desc="The value. RunPod never returns it.")
    description: str = prop("", desc="What it is for, as RunPod's console shows it.")


class SecretState(SecretInputs):
    reference: str = prop(desc="What to write into an environment: RunPod puts the value there at start.")


class Secret(Managed[SecretInputs, SecretState]):
    """A value that environments name, `{{ RUNPOD_SECRET_name }}`. Write-only: a change at the console does not show.

    RunPod has it in its GraphQL API only, which retires in 2027. The mark is at the end of the description.
    """

    Inputs: ClassVar = SecretInputs
    State: ClassVar = SecretState

    def check(self, ctx: CheckContext, inputs: SecretInputs) -> list[Failure]:
        failures = []
        if is_known(inputs.name) and not _NAME.fullmatch(inputs.name):
            reason = (
                "cannot be referred to as {{ RUNPOD_SECRET_name }}. Wanted: letters, digits, '_', '-' and '.'"
            )
            failures.append(Failure("name", f"{inputs.name!r} {reason}"))
        if inputs.value == "":
            failures.append(Failure("value", "the value is empty. Wanted: what workers are to get"))
        return failures

    def preview(self, ctx: CheckContext, inputs: SecretInputs, old: SecretState | None) -> dict[str, str]:
        return {"reference": reference(inputs.name)} if is_known(inputs.name) else {}

    async def find(self, ctx: Context[Account], inputs: SecretInputs) -> str | None:
        secrets = await ctx.client.secrets.all(ctx)
        for raw in secrets:
            if marks.read(raw.get("description"))[1] == str(ctx.mark):
                return str(raw["id"])
        for raw in secrets:
            if raw["name"] == inputs.name:
                raise _in_the_way(raw)
        return None

    async def create(self, ctx: Context[Account], inputs: SecretInputs) -> Created[SecretState]:
        name, description = str(inputs.name), marks.write(inputs.description, ctx.mark, " ")
        try:
            raw = await ctx.client.secrets.create(ctx, name, inputs.value, description)
        except Conflict:
            # Someone was faster than our look around.
            taken = await ctx.client.secrets.all(ctx, fresh=True)
            there = next((raw for raw in taken if raw["name"] == name), None)
            if there is None:
                raise
            raise _in_the_way(there) from None
        ctx.created(raw["id"])
        return Created(raw["id"], _state({**raw, "description": description}, inputs))

    async def read(self, ctx: Context[Account], id: str, old: SecretState | None) -> SecretState | None:
        raw = await ctx.client.secrets.get(ctx, id)
        return None if raw is None else _state(raw, old)

    async def update(
        self, ctx: Context[Account], id: str, old: SecretState, new: SecretInputs
    ) -> SecretState:
        raw = await ctx.client.secrets.get(ctx, id)
        if raw is None:
            raise Missing(
                f"RunPod has no secret {id} any more",
                status=404,
                fix="run `pulumi refresh`, then `pulumi up`",
            )
        # What an interrupted creation or an import left is not known, so it is set.
        if getattr(old, "value", None) != new.value:
            await ctx.client.secrets.set_value(ctx, id, new.value)
        if marks.read(raw.get("description"))[0] != new.description:
            await ctx.client.secrets.set_description(ctx, id, marks.write(new.description, ctx.mark, " "))
        return _state({**raw, "description": new.description}, new)

    async def delete(self, ctx: Context[Account], id: str, old: SecretState) -> None:
        await ctx.client.secrets.delete(ctx, id)


def reference(name: str) -> str:
    return f"{{{{ RUNPOD_SECRET_{name} }}}}"


def _state(raw: Raw, hint: SecretInputs | None) -> SecretState:
    return SecretState(
        name=raw["name"],
        value=getattr(hint, "value", None) or "",
        description=marks.read(raw.get("description"))[0],
        reference=reference(raw["name"]),
    )


def _in_the_way(raw: Raw) -> InTheWay:
    return InTheWay(raw["id"], f'RunPod secret "{raw["name"]}" ({raw["id"]})')
