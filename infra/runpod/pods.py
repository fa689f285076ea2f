"""RunPod's pod routes as calls, in RunPod's own JSON."""

from collections.abc import Callable

from infra.runpod import logs
from infra.runpod.client import RunPodClient, Waiting
from infra.runpod.collection import Collection, Raw
from infra.runpod.errors import Conflict, EffectUnknown

_POSTS = 3


class Pods(Collection):
    def __init__(self, client: RunPodClient) -> None:
        super().__init__(client, "/v2/pods", "pods", "pod")

    async def act(self, ctx: Waiting, id: str, action: str, done: Callable[[Raw], bool]) -> None:
        """start or stop, until RunPod has taken it up. `done` tells it from the pod, for an answer that is lost."""
        for attempt in range(_POSTS):
            try:
                await self.client.post(
                    ctx, f"{self.path}/{id}/action", f"{action} pod {id}", {"action": action}
                )
                return
            except (EffectUnknown, Conflict) as error:
                raw = await self.get(ctx, id, fresh=True)
                if raw is not None and done(raw):
                    return
                if isinstance(error, Conflict) or attempt == _POSTS - 1:
                    raise
                ctx.status(error.what)

    async def last_log_lines(
        self, id: str, count: int = 10, patience_s: float = logs.PATIENCE_S
    ) -> list[str]:
        """What the pod said last, oldest first."""
        return await logs.last(self.client, f"{self.path}/{id}/logs", count, patience_s)
