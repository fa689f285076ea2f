"""RunPod's catalog, asked live: GPU types with price and stock. One answer serves a minute of questions."""

from typing import TYPE_CHECKING, Any

from infra.runpod.client import RunPodClient, Waiting
from infra.runpod.errors import Rejected

if TYPE_CHECKING:
    from infra.kit import Context
    from infra.runpod.account import Account
    from infra.runpod.endpoint_model import EndpointInputs

Raw = dict[str, Any]
_FRESH_S = 60.0


class Market:
    def __init__(self, client: RunPodClient) -> None:
        self._client = client
        self._kept: dict[tuple[str, ...], tuple[float, list[Raw]]] = {}

    async def gpus(self, ctx: Waiting, product: str, count: int | None = None) -> list[Raw]:
        """GPU types with `availability` and `dataCenters` for POD or SERVERLESS."""
        params = {"include": "AVAILABILITY", "product": product}
        if count:
            params["gpuCount"] = str(count)
        return await self._ask(ctx, "gpus", "gpus", "list GPU types", params)

    async def cpus(self, ctx: Waiting, product: str) -> list[Raw]:
        params = {"include": "AVAILABILITY", "product": product}
        return await self._ask(ctx, "cpus", "cpus", "list CPU flavors", params)

    async def data_centers(self, ctx: Waiting) -> list[Raw]:
        """With what each has of GPUs and CPUs."""
        params = {"include": "GPU_AVAILABILITY,CPU_AVAILABILITY"}
        return await self._ask(ctx, "datacenters", "dataCenters", "list data centers", params)

    async def _ask(self, ctx: Waiting, path: str, key: str, doing: str, params: dict[str, str]) -> list[Raw]:
        what = (path, *params.values())
        at, found = self._kept.get(what, (float("-inf"), []))
        if self._client.now() - at > _FRESH_S:
            found = (await self._client.get(ctx, f"/v2/catalog/{path}", doing, params))[key]
            self._kept[what] = (self._client.now(), found)
        return found


async def refuse_where_no_gpu_is(ctx: "Context[Account]", inputs: "EndpointInputs") -> None:
    """Refuses an endpoint whose data centers have none of its GPU types; one whose types are sold out is warned of.

    RunPod would take it, and its workers would wait for ever.
    """
    from infra.catalog.model import squeeze

    gpu, places = inputs.gpu, inputs.data_center_ids
    if gpu is None or not places:
        return
    excluded = {squeeze(name) for name in gpu.excluded_types}
    types = [
        raw
        for raw in await ctx.client.market.gpus(ctx, "SERVERLESS")
        if raw.get("pool") in gpu.pools and squeeze(raw["id"]) not in excluded
    ]
    if not types or any("dataCenters" not in raw for raw in types):
        return
    stock = {(place["id"], raw["id"]): place["availability"] for raw in types for place in raw["dataCenters"]}
    there = {key: level for key, level in stock.items() if key[0] in places}
    names = ", ".join(raw["name"] for raw in types)
    if not there:
        elsewhere = sorted({place for place, _ in stock})
        raise Rejected(
            f"dataCenterIds: {', '.join(places)} has none of these GPU types: {names}",
            fix=f"choose among {', '.join(elsewhere) or 'other pools'}, or other GPU pools; a network volume must be there too",
        )
    if all(level == "NONE" for level in there.values()):
        ctx.warn(
            f"{names}: sold out in {', '.join(places)} at the moment. Workers wait until some are free; more pools or data "
            "centers make that less likely"
        )
