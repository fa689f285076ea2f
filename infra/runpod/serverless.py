"""RunPod's serverless routes as calls. Listing is shared: one answer serves all that ask within a moment."""

import asyncio
import itertools
import json
from typing import Any

from infra.runpod.client import RunPodClient, Waiting
from infra.runpod.errors import EffectUnknown, Missing, RunPodError

Raw = dict[str, Any]

_COLLECTION = "/v2/serverless"
_POSTS = 3
_MOST_PAGES = 100
_LOG_PATIENCE_S = 2.0


class Serverless:
    """Endpoints, their workers and their logs, in RunPod's own JSON.

    `shared_s`: for how long an answered listing still serves reads and finds. A refresh of hundreds of endpoints is
    then a single request, and a change made before the refresh began is still seen.
    """

    def __init__(self, client: RunPodClient, shared_s: float = 2.0) -> None:
        self.client = client
        self._shared_s = shared_s
        self._listed: dict[str, Raw] = {}
        self._listed_at = float("-inf")
        # Time may stand still between two calls; their order does not.
        self._order = itertools.count()
        self._listed_order = -1
        self._turn = asyncio.Lock()

    async def endpoints(self, ctx: Waiting, *, fresh: bool = False) -> list[Raw]:
        """All endpoints as of a moment ago; with `fresh`, from a request that starts after this call."""
        ticket = next(self._order)
        async with self._turn:
            age_s = self.client.now() - self._listed_at
            if (self._listed_order < ticket) if fresh else (age_s > self._shared_s):
                order, started = next(self._order), self.client.now()
                self._listed = {raw["id"]: raw for raw in await self._pages(ctx)}
                self._listed_order, self._listed_at = order, started
            return [*self._listed.values()]

    async def get(self, ctx: Waiting, id: str) -> Raw | None:
        """The endpoint, from the shared listing where that has it; None when it does not exist."""
        for raw in await self.endpoints(ctx):
            if raw["id"] == id:
                return raw
        try:
            found: Raw = await self.client.get(ctx, f"{_COLLECTION}/{id}", f"read endpoint {id}")
        except Missing:
            return None
        return found

    async def create(self, ctx: Waiting, body: Raw, *, mark_key: str, mark: str) -> Raw:
        """POST once; when its answer is lost, look for the mark before trying again, so that there is never a second."""
        for attempt in range(_POSTS):
            try:
                raw: Raw = await self.client.post(
                    ctx, _COLLECTION, f"create endpoint {body['name']}", body, body["env"].values()
                )
                break
            except EffectUnknown as error:
                ctx.status(f"{error.what}: looking whether it was created")
                found = await self._marked(ctx, mark_key, mark)
                if found is not None:
                    return found
                if attempt == _POSTS - 1:
                    raise
        self._listed[raw["id"]] = raw
        return raw

    async def update(self, ctx: Waiting, id: str, patch: Raw) -> Raw:
        raw: Raw = await self.client.patch(
            ctx, f"{_COLLECTION}/{id}", f"update endpoint {id}", patch, patch.get("env", {}).values()
        )
        if id in self._listed:
            self._listed[id] = raw
        return raw

    async def delete(self, ctx: Waiting, id: str) -> None:
        """Returns when RunPod no longer lists it. An endpoint that is not there is fine."""
        try:
            await self.client.delete(ctx, f"{_COLLECTION}/{id}", f"delete endpoint {id}")
        except Missing:
            self._listed.pop(id, None)
            return
        pause_s = 0.25
        while any(raw["id"] == id for raw in await self.endpoints(ctx, fresh=True)):
            if ctx.remaining() <= pause_s:
                raise RunPodError(
                    f"RunPod still lists endpoint {id} after deleting it",
                    fix="run it again; deleting is repeatable",
                )
            ctx.status("deleted; waiting until RunPod no longer lists it")
            await ctx.sleep(pause_s)
            pause_s = min(5.0, pause_s * 2)

    async def workers(self, ctx: Waiting, id: str) -> Raw:
        """`{workers: […], summary: {…}, endpointVersion}`."""
        answer: Raw = await self.client.get(
            ctx, f"{_COLLECTION}/{id}/workers", f"list the workers of endpoint {id}"
        )
        return answer

    async def releases(self, ctx: Waiting, id: str) -> Raw:
        """`{endpointVersion, rollout: {…}, releases: […]}`, newest first."""
        answer: Raw = await self.client.get(
            ctx, f"{_COLLECTION}/{id}/releases", f"list the releases of endpoint {id}"
        )
        return answer

    async def last_log_lines(self, id: str, worker_id: str, count: int = 10) -> list[str]:
        """What a worker said last, oldest first; empty when it cannot be had. Never raises: it explains another error."""
        payloads = await self.client.lines(
            f"{_COLLECTION}/{id}/workers/{worker_id}/logs",
            {"tail": str(count)},
            limit=count,
            patience_s=_LOG_PATIENCE_S,
        )
        lines = []
        for payload in payloads:
            try:
                lines.append(str(json.loads(payload)["line"]).rstrip())
            except (ValueError, KeyError, TypeError):
                continue
        return lines

    async def _marked(self, ctx: Waiting, key: str, mark: str) -> Raw | None:
        for raw in await self.endpoints(ctx, fresh=True):
            if (raw.get("env") or {}).get(key) == mark:
                return raw
        return None

    async def _pages(self, ctx: Waiting) -> list[Raw]:
        """Every page: the description knows no paging, but a `nextCursor` has been reported."""
        found: list[Raw] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            params = {"cursor": cursor} if cursor else None
            answer = await self.client.get(ctx, _COLLECTION, "list endpoints", params)
            found += answer["endpoints"]
            following = answer.get("nextCursor")
            if not following or following == cursor:
                break
            cursor = following
        return found
