"""`pilotlight-modal:index:Secret`: environment variables that containers get, whose values never come back."""

from typing import Any, ClassVar

from infra.kit import UNKNOWN, CheckContext, Context, Failure, Mark, prop
from infra.modal import rules
from infra.modal.client import ModalClient
from infra.modal.errors import Missing
from infra.modal.named import Found, Made, Named, NamedInputs

MARK_KEY = "PILOTLIGHT_MARK_"
"""Keys can be read and values cannot, so the mark is part of a key."""


class SecretInputs(NamedInputs):
    values: dict[str, str] = prop(
        secret=True, write_only=True, desc="Environment variables. Modal never returns their values."
    )
    required_keys: list[str] = prop(
        [], write_only=True, desc="Variables that must be among the values; checked before anything is made."
    )
    keys: list[str] = prop(
        [], computed=True, desc="Names of the variables, sorted. They show what the values do not."
    )


class SecretState(SecretInputs, Made):
    pass


class Secret(Named[SecretInputs, SecretState]):
    """Environment variables that containers get. Values are write-only: a change at the console shows by its keys only."""

    Inputs: ClassVar = SecretInputs
    State: ClassVar = SecretState
    kind = "Secret"
    word = "secret"
    prefix = "st-"

    def check(self, ctx: CheckContext, inputs: SecretInputs) -> list[Failure]:
        failures = [*super().check(ctx, inputs), *rules.variables("values", inputs.values, in_image=False)]
        if not ctx.known(inputs.values):
            return failures
        for key in inputs.values:
            if key.startswith(MARK_KEY):
                reason = "this variable is how the provider recognises its secret. Fix: rename it"
                failures.append(Failure(f"values.{key}", reason))
        missing = [key for _, key in rules.known_items(inputs.required_keys) if key not in inputs.values]
        if missing:
            reason = f"values lacks {', '.join(missing)}. Wanted: every required key. Fix: add it to values"
            failures.append(Failure("requiredKeys", reason))
        return failures

    def computed(self, ctx: CheckContext, inputs: SecretInputs) -> dict[str, Any]:
        return {"keys": sorted(inputs.values) if ctx.known(inputs.values) else UNKNOWN}

    async def make(self, ctx: Context[ModalClient], inputs: SecretInputs, environment: str) -> None:
        client = await ctx.client.open()
        with client.doing(f"create the secret {inputs.name}", *inputs.values.values()):
            await client.api.Secret.objects.create.aio(
                inputs.name,
                _values(inputs, ctx.mark),
                environment_name=environment,
                client=client.handle,
            )

    async def change(
        self,
        ctx: Context[ModalClient],
        found: Found,
        environment: str,
        old: SecretState,
        new: SecretInputs,
    ) -> Found:
        """One call for new, changed and dropped variables (an update without a value drops); the mark's key stays."""
        client = ctx.client
        there = [key for key in await _keys(client, found) if not key.startswith(MARK_KEY)]
        dropped = sorted({*there, *old.keys} - set(new.values))
        updates = [{"key": key, "value": value} for key, value in sorted(new.values.items())]
        with client.doing(f"change the secret {found.name}", *new.values.values()):
            await client.rpc(
                "SecretUpdate",
                f"change the secret {found.name}",
                secret_id=found.id,
                updates=[*updates, *({"key": key} for key in dropped)],
            )
        return found

    async def state(
        self,
        ctx: Context[ModalClient],
        found: Found,
        environment: str,
        hint: SecretInputs | SecretState | None,
    ) -> SecretState:
        keys = [key for key in await _keys(ctx.client, found) if not key.startswith(MARK_KEY)]
        return SecretState(
            name=found.name,
            environment=environment,
            values=hint.values if hint else {},
            required_keys=hint.required_keys if hint else [],
            # Not every server tells the keys; then they are what we set.
            keys=sorted(keys) or (hint.keys if hint else []),
            created_at=found.created_at,
            created_by=found.created_by,
        )

    async def carries_mark(self, ctx: Context[ModalClient], found: Found) -> bool:
        return str(ctx.mark) in await _marks(ctx.client, found)

    async def by_id(self, client: ModalClient, id: str, environment: str | None) -> Found | None:
        try:
            answer = await client.rpc("SecretGetInfo", f"read the secret {id}", secret_id=id)
        except Missing:
            return None
        return _found(id, answer.metadata)


def _found(id: str, metadata: Any) -> Found:
    from datetime import UTC, datetime

    from infra.modal.named import moment

    created = moment(datetime.fromtimestamp(metadata.creation_info.created_at, UTC))
    return Found(id, metadata.name, metadata.environment_name, created, metadata.creation_info.created_by)


async def _keys(client: ModalClient, found: Found) -> list[str]:
    answer = await client.rpc("SecretGetInfo", f"read the secret {found.name}", secret_id=found.id)
    return list(answer.metadata.keys)


async def _marks(client: ModalClient, found: Found) -> list[str]:
    keys = await _keys(client, found)
    return [key.removeprefix(MARK_KEY).lower().replace("_", "-") for key in keys if key.startswith(MARK_KEY)]


def _values(inputs: SecretInputs, mark: Mark) -> dict[str, str]:
    return {**inputs.values, MARK_KEY + str(mark).upper().replace("-", "_"): "1"}
