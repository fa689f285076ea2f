"""RunPod's serverless routes as calls: endpoints, their workers, releases and logs, in RunPod's own JSON."""

from infra.runpod import logs
from infra.runpod.client import RunPodClient, Waiting
from infra.runpod.collection import Collection, Raw

__all__ = ["Raw", "Serverless"]


class Serverless(Collection):
    def __init__(self, client: RunPodClient, shared_s: float = 2.0) -> None:
        super().__init__(client, "/v2/serverless", "endpoints", "endpoint", shared_s=shared_s)

    async def endpoints(self, ctx: Waiting, *, fresh: bool = False) -> list[Raw]:
        """All endpoints as of a moment ago; with `fresh`, from a request that starts after this call."""
        return await self.all(ctx, fresh=fresh)

    async def workers(self, ctx: Waiting, id: str) -> Raw:
        """`{workers: […], summary: {…}, endpointVersion}`."""
        answer: Raw = await self.client.get(
            ctx, f"{self.path}/{id}/workers", f"list the workers of endpoint {id}"
        )
        return answer

    async def releases(self, ctx: Waiting, id: str) -> Raw:
        """`{endpointVersion, rollout: {…}, releases: […]}`, newest first."""
        answer: Raw = await self.client.get(
            ctx, f"{self.path}/{id}/releases", f"list the releases of endpoint {id}"
        )
        return answer

    async def last_log_lines(
        self, id: str, worker_id: str, count: int = 10, patience_s: float = logs.PATIENCE_S
    ) -> list[str]:
        """What a worker said last, oldest first."""
        return await logs.last(self.client, f"{self.path}/{id}/workers/{worker_id}/logs", count, patience_s)
