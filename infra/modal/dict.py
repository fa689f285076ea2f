"""`pilotlight-modal:index:Dict`: a key-value store that functions share."""

from typing import ClassVar

from infra.kit import Context, prop
from infra.modal.client import ModalClient
from infra.modal.named import Found, Named, NamedInputs


class DictInputs(NamedInputs):
    pass


class DictState(DictInputs):
    created_at: str = prop(desc="When it was created (ISO 8601).")


class Dict(Named[DictInputs, DictState]):
    """A key-value store that functions share. Deleting it deletes what it holds."""

    Inputs: ClassVar = DictInputs
    State: ClassVar = DictState
    kind = "Dict"
    word = "dict"
    prefix = "di-"

    async def make(self, ctx: Context[ModalClient], inputs: DictInputs, environment: str) -> None:
        client = await ctx.client.open()
        with client.doing(f"create the dict {inputs.name}"):
            await client.api.Dict.objects.create.aio(
                inputs.name, environment_name=environment, client=client.handle
            )

    async def state(
        self,
        ctx: Context[ModalClient],
        found: Found,
        environment: str,
        hint: DictInputs | DictState | None,
    ) -> DictState:
        return DictState(name=found.name, environment=environment, created_at=found.created_at)
