"""RunPod's pod routes as calls, in RunPod's own JSON."""

from infra.runpod import logs
from infra.runpod.client import RunPodClient, Waiting
from infra.runpod.collection import Collection
from infra.runpod.errors import Conflict, EffectUnknown


class Pods(Collection):
    def __init__(self, client: RunPodClient) -> None:
        super().__init__(client, "/v2/pods", "pods", "pod")

    async def act(self, ctx: Waiting, id: str, action: str) -> None:
        """start, stop or restart. Whether it worked is for the caller to see: RunPod does it in its own time.

        A pod that is already there answers 409; an answer that is lost is no reason to fail either.
        """
        try:
            await self.client.post(ctx, f"{self.path}/{id}/action", f"{action} pod {id}", {"action": action})
        except EffectUnknown as error:
            ctx.status(error.what)
        except Conflict:
            return

    async def last_log_lines(
        self, id: str, count: int = 10, patience_s: float = logs.PATIENCE_S
    ) -> list[str]:
        """What the pod said last, oldest first."""
        return await logs.last(self.client, f"{self.path}/{id}/logs", count, patience_s)
