"""`pilotlight-modal:index:Queue`: a queue of values between functions."""

from typing import ClassVar

from infra.kit import Context, prop
from infra.modal.client import ModalClient
from infra.modal.named import Found, Named, NamedInputs


class QueueInputs(NamedInputs):
    pass


class QueueState(QueueInputs):
    created_at: str = prop(desc="When it was created (ISO 8601).")


class Queue(Named[QueueInputs, QueueState]):
    """A queue of values between functions. Deleting it deletes what it holds."""

    Inputs: ClassVar = QueueInputs
    State: ClassVar = QueueState
    kind = "Queue"
    word = "queue"
    prefix = "qu-"

    async def make(self, ctx: Context[ModalClient], inputs: QueueInputs, environment: str) -> None:
        client = await ctx.client.open()
        with client.doing(f"create the queue {inputs.name}"):
            await client.api.Queue.objects.create.aio(
                inputs.name, environment_name=environment, client=client.handle
            )

    async def state(
        self,
        ctx: Context[ModalClient],
        found: Found,
        environment: str,
        hint: QueueInputs | QueueState | None,
    ) -> QueueState:
        return QueueState(name=found.name, environment=environment, created_at=found.created_at)
