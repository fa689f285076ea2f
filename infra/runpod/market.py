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


async def refuse_empty_places(ctx: "Context[Account]", inputs: "EndpointInputs") -> None:
    """Refuses an endpoint whose data centers have none of its hardware; hardware that is sold out is warned of.

    RunPod would take it, and its workers would wait for ever.
    """
    from infra.catalog.model import squeeze

    places = inputs.data_center_ids
    types, key = _hardware(inputs)
    if not places or not types:
        return
    levels: dict[str, list[str]] = {}
    for raw in await ctx.client.market.data_centers(ctx):
        offered = [one["availability"] for one in raw.get(key) or [] if squeeze(one["id"]) in types]
        levels[raw["id"]] = offered
    here = [place for place in places if place in levels]
    names = ", ".join(sorted(types))
    if len(here) == len(places) and not any(levels[place] for place in here):
        elsewhere = sorted(place for place, found in levels.items() if found)
        raise Rejected(
            f"dataCenterIds: {', '.join(places)} has none of these: {names}",
            fix=f"choose other hardware, or data centers that have it ({', '.join(elsewhere) or 'none has'}); a network volume "
            "must be in the same data center",
        )
    if here and all(level == "NONE" for place in here for level in levels[place]):
        ctx.warn(
            f"{names}: sold out in {', '.join(places)} at the moment. Workers wait until some are free; more pools or data "
            "centers make that less likely"
        )


def _hardware(inputs: "EndpointInputs") -> tuple[set[str], str]:
    """GPU types or CPU flavors, and under what a data center lists them."""
    from infra.catalog import load
    from infra.catalog.model import squeeze

    if inputs.gpu is None:
        return {cpu.id for cpu in inputs.cpu or []}, "cpuAvailability"
    excluded = {squeeze(name) for name in inputs.gpu.excluded_types}
    pools = load().runpod_pools
    types = {squeeze(id) for pool in inputs.gpu.pools for id in pools.get(pool, ())}
    return types - excluded, "gpuAvailability"


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
