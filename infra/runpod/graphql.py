"""The one place that speaks RunPod's GraphQL API, for what REST v2 has no route for: secrets.

The API retires in early 2027 (it will answer 410). `pilotlight-runpod:graphql` = off shuts it off before that day.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from infra.runpod.client import RunPodClient, Waiting, redacted
from infra.runpod.collection import Raw
from infra.runpod.errors import (
    Conflict,
    EffectUnknown,
    Missing,
    Rejected,
    Retired,
    RunPodError,
    Unauthorized,
)

_POSTS = 3

_LIST = "query { myself { secrets { id name description } } }"
_CREATE = """mutation ($input: SecretCreateInput!) { secretCreate(input: $input) { id name description } }"""
_SET_VALUE = """mutation ($input: SecretValueUpdateInput!) { secretValueUpdate(input: $input) { id } }"""
_SET_DESCRIPTION = (
    "mutation ($input: SecretDescriptionUpdateInput!) { secretDescriptionUpdate(input: $input) { id } }"
)
_DELETE = "mutation ($id: ID!) { secretDelete(id: $id) }"

_KINDS: tuple[tuple[type[RunPodError], tuple[str, ...]], ...] = (
    (Missing, ("not found", "does not exist", "no secret")),
    (Conflict, ("already", "unique", "duplicate")),
    (Unauthorized, ("unauthorized", "not authenticated", "not logged in")),
)


class GraphQLOff(RunPodError):
    """The user has shut off GraphQL, and REST v2 cannot do this."""

    def __init__(self, doing: str) -> None:
        super().__init__(
            f"cannot {doing}: REST v2 has no route for it, and RunPod's GraphQL API is turned off",
            fix="set `pilotlight-runpod:graphql` to on; or make the secret at RunPod's console and name it in an "
            "environment as {{ RUNPOD_SECRET_<name> }}",
        )


class GraphQL:
    def __init__(self, client: RunPodClient, *, enabled: bool = True) -> None:
        self.client = client
        self._enabled = enabled

    async def run(
        self,
        ctx: Waiting,
        doing: str,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        secrets: Iterable[str] = (),
        repeatable: bool = True,
    ) -> Raw:
        """The answer's `data`. Values travel as variables, never inside the query."""
        if not self._enabled:
            raise GraphQLOff(doing)
        secrets = [*secrets]
        body = {"query": query, "variables": variables or {}}
        try:
            answer = await self.client.post(ctx, "/graphql", doing, body, secrets, repeatable=repeatable)
        except Retired as error:
            error.fix = (
                "RunPod has shut down GraphQL, and REST v2 has no secrets: make the secret at RunPod's console, name it "
                "as {{ RUNPOD_SECRET_<name> }}, and take this resource out (`pulumi state delete` keeps the secret)"
            )
            raise
        errors = answer.get("errors") if isinstance(answer, dict) else None
        if errors:
            raise _refused(doing, redacted(errors, secrets))
        data: Raw = answer.get("data") or {}
        return data


class Secrets:
    """The account's secrets, as `{id, name, description}`: a value is never returned."""

    def __init__(self, graphql: GraphQL, shared_s: float = 2.0) -> None:
        self._graphql = graphql
        self._shared_s = shared_s
        self._listed: list[Raw] = []
        self._listed_at = float("-inf")
        self._turn = asyncio.Lock()

    async def all(self, ctx: Waiting, *, fresh: bool = False) -> list[Raw]:
        """As of a moment ago, one answer for all that ask within it; with `fresh`, asked now."""
        async with self._turn:
            now = self._graphql.client.now
            if fresh or now() - self._listed_at > self._shared_s:
                data = await self._graphql.run(ctx, "list secrets", _LIST)
                self._listed = list((data.get("myself") or {}).get("secrets") or [])
                self._listed_at = now()
            return self._listed

    async def get(self, ctx: Waiting, id: str, *, fresh: bool = False) -> Raw | None:
        return next((raw for raw in await self.all(ctx, fresh=fresh) if raw["id"] == id), None)

    async def create(self, ctx: Waiting, name: str, value: str, description: str) -> Raw:
        """Sent once; when the answer is lost, look for the description (it holds the mark) before trying again."""
        values = {"name": name, "value": value, "description": description}
        for attempt in range(_POSTS):
            try:
                data = await self._graphql.run(
                    ctx,
                    f"create secret {name}",
                    _CREATE,
                    {"input": values},
                    secrets=[value],
                    repeatable=False,
                )
                break
            except EffectUnknown as error:
                ctx.status(f"{error.what}: looking whether it was created")
                for raw in await self.all(ctx, fresh=True):
                    if (raw["name"], raw.get("description")) == (name, description):
                        return raw
                if attempt == _POSTS - 1:
                    raise
        self._listed_at = float("-inf")
        made: Raw = data["secretCreate"]
        return made

    async def set_value(self, ctx: Waiting, id: str, value: str) -> None:
        variables = {"input": {"id": id, "value": value}}
        await self._graphql.run(ctx, f"set the value of secret {id}", _SET_VALUE, variables, secrets=[value])

    async def set_description(self, ctx: Waiting, id: str, description: str) -> None:
        variables = {"input": {"id": id, "description": description}}
        await self._graphql.run(ctx, f"describe secret {id}", _SET_DESCRIPTION, variables)
        self._listed_at = float("-inf")

    async def delete(self, ctx: Waiting, id: str) -> None:
        """One that is not there is fine."""
        if await self.get(ctx, id, fresh=True) is None:
            return
        with contextlib.suppress(Missing):
            await self._graphql.run(ctx, f"delete secret {id}", _DELETE, {"id": id})
        self._listed_at = float("-inf")


def _refused(doing: str, errors: Any) -> RunPodError:
    """The error for a 200 answer with `errors[]`: GraphQL has no status of its own, so its words decide."""
    said = "; ".join(
        str(error.get("message") or error) if isinstance(error, dict) else str(error)
        for error in (errors if isinstance(errors, list) else [errors])
    )
    kind = next((kind for kind, words in _KINDS if any(word in said.lower() for word in words)), Rejected)
    return kind(f"RunPod refused to {doing}: {said}", detail=said)
