"""One kind of object of RunPod's REST v2 as calls. Listing is shared: one answer serves all that ask within a moment."""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from infra.runpod import marks
from infra.runpod.client import RunPodClient, Waiting
from infra.runpod.errors import EffectUnknown, Missing, RunPodError

Raw = dict[str, Any]

_POSTS = 3
_MOST_PAGES = 100


class Collection:
    """`path` is the collection's route, `key` what its listing is under, `word` what a user calls one of it.

    `shared_s`: for how long an answered listing still serves reads and finds. A refresh of hundreds of objects is
    then a single request, and a change made before the refresh began is still seen.
    """

    def __init__(
        self, client: RunPodClient, path: str, key: str, word: str, *, shared_s: float = 2.0
    ) -> None:
        self.client = client
        self.path = path
        self.word = word
        self._key = key
        self._shared_s = shared_s
        self._listed: dict[str, Raw] = {}
        self._listed_at = float("-inf")
        # Time may stand still between two calls; their order does not.
        self._order = itertools.count()
        self._listed_order = -1
        self._turn = asyncio.Lock()

    async def all(self, ctx: Waiting, *, fresh: bool = False) -> list[Raw]:
        """All of them as of a moment ago; with `fresh`, from a request that starts after this call."""
        ticket = next(self._order)
        async with self._turn:
            age_s = self.client.now() - self._listed_at
            if (self._listed_order < ticket) if fresh else (age_s > self._shared_s):
                order, started = next(self._order), self.client.now()
                self._listed = {raw["id"]: raw for raw in await self._pages(ctx)}
                self._listed_order, self._listed_at = order, started
            return [*self._listed.values()]

    async def get(self, ctx: Waiting, id: str, *, fresh: bool = False) -> Raw | None:
        """One of them, from the shared listing where that has it; None when it does not exist."""
        if not fresh:
            for raw in await self.all(ctx):
                if raw["id"] == id:
                    return raw
        try:
            found: Raw = await self.client.get(ctx, f"{self.path}/{id}", f"read {self.word} {id}")
        except Missing:
            return None
        if id in self._listed:
            self._listed[id] = found
        return found

    async def current(self, ctx: Waiting, id: str) -> Raw:
        """One of them, which must be there."""
        raw = await self.get(ctx, id)
        if raw is None:
            raise Missing(
                f"RunPod has no {self.word} {id} any more",
                status=404,
                fix="run `pulumi refresh`, then `pulumi up`",
            )
        return raw

    async def create(
        self, ctx: Waiting, body: Raw, mine: Callable[[Raw], bool], secrets: Iterable[str] = ()
    ) -> Raw:
        """POST once; when its answer is lost, look for `mine` before trying again, so that there is never a second."""
        secrets = [*secrets]
        doing = f"create {self.word} {marks.read(body['name'])[0]}"
        for attempt in range(_POSTS):
            try:
                raw: Raw = await self.client.post(ctx, self.path, doing, body, secrets)
                break
            except EffectUnknown as error:
                ctx.status(f"{error.what}: looking whether it was created")
                found = next((raw for raw in await self.all(ctx, fresh=True) if mine(raw)), None)
                if found is not None:
                    return found
                if attempt == _POSTS - 1:
                    raise
        self._listed[raw["id"]] = raw
        return raw

    async def update(self, ctx: Waiting, id: str, patch: Raw, secrets: Iterable[str] = ()) -> Raw:
        raw: Raw = await self.client.patch(
            ctx, f"{self.path}/{id}", f"update {self.word} {id}", patch, secrets
        )
        if id in self._listed:
            self._listed[id] = raw
        return raw

    async def delete(self, ctx: Waiting, id: str) -> None:
        """Returns when RunPod no longer lists it. One that is not there is fine."""
        try:
            await self.client.delete(ctx, f"{self.path}/{id}", f"delete {self.word} {id}")
        except Missing:
            self._listed.pop(id, None)
            return
        pause_s = 0.25
        while any(raw["id"] == id for raw in await self.all(ctx, fresh=True)):
            if ctx.remaining() <= pause_s:
                raise RunPodError(
                    f"RunPod still lists {self.word} {id} after deleting it",
                    fix="run it again; deleting is repeatable",
                )
            ctx.status("deleted; waiting until RunPod no longer lists it")
            await ctx.sleep(pause_s)
            pause_s = min(5.0, pause_s * 2)

    async def _pages(self, ctx: Waiting) -> list[Raw]:
        """Every page: the description knows no paging, but a `nextCursor` has been reported."""
        found: list[Raw] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            params = {"cursor": cursor} if cursor else None
            answer = await self.client.get(ctx, self.path, f"list {self.word}s", params)
            found += answer[self._key]
            following = answer.get("nextCursor")
            if not following or following == cursor:
                break
            cursor = following
        return found
