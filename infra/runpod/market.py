"""RunPod's catalog, asked live: GPU types with price and stock. One answer serves a minute of questions."""

from typing import TYPE_CHECKING, Any

from infra.runpod.client import RunPodClient, Waiting
from infra.runpod.errors import Rejected
from infra.spec.errors import PilotlightError

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
            params["count"] = str(count)
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
    from infra.catalog import load
    from infra.catalog.model import squeeze

    gpu, places = inputs.gpu, inputs.data_center_ids
    if gpu is None or not places:
        return
    excluded = {squeeze(name) for name in gpu.excluded_types}
    pools = load().runpod_pools
    types = {id for pool in gpu.pools for id in map(squeeze, pools.get(pool, ())) if id not in excluded}
    levels: dict[str, list[str]] = {}
    for raw in await ctx.client.market.data_centers(ctx):
        found = [one for one in raw.get("gpuAvailability") or [] if squeeze(one["id"]) in types]
        if found:
            levels[raw["id"]] = [one["availability"] for one in found]
        elif raw["id"] in places:
            levels.setdefault(raw["id"], [])
    here = [place for place in places if place in levels]
    names = ", ".join(sorted(types))
    if here and not any(levels[place] for place in here) and len(here) == len(places):
        elsewhere = sorted(place for place, found in levels.items() if found)
        raise Rejected(
            f"dataCenterIds: {', '.join(places)} has none of these GPU types: {names}",
            fix=f"choose other GPU pools, or data centers that have them ({', '.join(elsewhere) or 'none has'}); a network "
            "volume must be in the same data center",
        )
    if here and all(level == "NONE" for place in here for level in levels[place]):
        ctx.warn(
            f"{names}: sold out in {', '.join(places)} at the moment. Workers wait until some are free; more pools or data "
            "centers make that less likely"
        )


async def sold_out(ctx: "Context[Account]", pools: list[str], places: list[str]) -> list[str]:
    """GPU types of the pools that are sold out in these data centers (everywhere, without any). Explains, so never raises."""
    try:
        types = await ctx.client.market.gpus(ctx, "SERVERLESS")
    except PilotlightError:
        return []
    gone = []
    for raw in types:
        if raw.get("pool") not in pools:
            continue
        levels = {place["id"]: place["availability"] for place in raw.get("dataCenters") or []}
        here = [levels.get(place, "NONE") for place in places] or [raw.get("availability", "")]
        if all(level == "NONE" for level in here):
            gone.append(raw["name"])
    return gone
