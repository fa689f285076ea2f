"""`pilotlight-runpod:index:Endpoint`: a serverless endpoint on RunPod, a job queue or a load balancer."""

from typing import Any, ClassVar

from infra.kit import CheckContext, Context, Created, Failure, InitFailed
from infra.runpod import endpoint_check, endpoint_place, endpoint_wire, idle, marks, rollout
from infra.runpod.account import Account
from infra.runpod.endpoint_model import (
    ComputeFamily,
    EndpointInputs,
    EndpointScaling,
    EndpointState,
    EndpointType,
    ScalingType,
)
from infra.runpod.errors import at_property
from infra.runpod.managed import Managed
from infra.runpod.market import refuse_empty_places


class Endpoint(Managed[EndpointInputs, EndpointState]):
    """A model behind RunPod's job queue or load balancer: workers start from an image and scale from zero and back."""

    Inputs: ClassVar = EndpointInputs
    State: ClassVar = EndpointState

    def check(self, ctx: CheckContext, inputs: EndpointInputs) -> list[Failure]:
        return endpoint_check.failures(ctx, inputs)

    def computed(self, ctx: CheckContext, inputs: EndpointInputs) -> dict[str, Any]:
        family = ComputeFamily.GPU if inputs.gpu is not None else ComputeFamily.CPU
        endpoint_check.say_replacement(ctx, family, inputs)
        values: dict[str, Any] = {"compute_family": family}
        if inputs.type is EndpointType.LOAD_BALANCER and "scaling" not in inputs.model_fields_set:
            values["scaling"] = EndpointScaling(type=ScalingType.REQUEST_COUNT)
        places = endpoint_place.centers_of_volumes(inputs)
        if places is not None:
            values["data_center_ids"] = places
        return values

    def preview(self, ctx: CheckContext, inputs: EndpointInputs, old: EndpointState | None) -> dict[str, Any]:
        if old is None:
            return {}
        return {"url": old.url, "request_urls": old.request_urls, "created_at": old.created_at}

    async def find(self, ctx: Context[Account], inputs: EndpointInputs) -> str | None:
        raws = await ctx.client.endpoints.all(ctx)
        found = marks.ours(raws, ctx.mark, inputs.name, "endpoint")
        return str(found["id"]) if found else None

    async def create(self, ctx: Context[Account], inputs: EndpointInputs) -> Created[EndpointState]:
        mark = str(ctx.mark)
        await refuse_empty_places(ctx, inputs)
        with at_property(endpoint_wire.NAMES, endpoint_wire.WORDS):
            raw = await ctx.client.endpoints.create(
                ctx,
                endpoint_wire.create_body(inputs, mark),
                lambda raw: marks.of_environment(raw) == mark,
                inputs.env.values(),
            )
        state = endpoint_wire.state(raw, inputs)
        ctx.created(raw["id"], state)
        # With no workers to start, there is nothing to wait for: the endpoint takes jobs at once.
        if inputs.workers.min > 0:
            state = await self._rolled_out(ctx, raw["id"], state)
        return Created(raw["id"], state)

    async def read(self, ctx: Context[Account], id: str, old: EndpointState | None) -> EndpointState | None:
        raw = await ctx.client.endpoints.get(ctx, id)
        if raw is None:
            return None
        state = endpoint_wire.state(raw, old, version=old.version if old else None)
        if old is not None and state.scaled_down_to is not None:
            ctx.warn(idle.warning(state, old.workers))
        return state

    async def update(
        self, ctx: Context[Account], id: str, old: EndpointState, new: EndpointInputs
    ) -> EndpointState:
        raw = await ctx.client.endpoints.current(ctx, id)
        keep = None
        if not new.repair_scale_down and old.workers.max == new.workers.max:
            keep = idle.lowered(raw, new.workers)
        patch = endpoint_wire.patch_body(raw, new, str(ctx.mark), keep_max=keep)
        if patch.keys() & {"gpu", "cpu", "dataCenterIds"}:
            await refuse_empty_places(ctx, new)
        if patch:
            with at_property(endpoint_wire.NAMES, endpoint_wire.WORDS):
                raw = await ctx.client.endpoints.update(ctx, id, patch, new.env.values())
        state = endpoint_wire.state(raw, new, version=old.version)
        if patch and not endpoint_wire.moves_workers(patch):
            return state
        return await self._rolled_out(ctx, id, state)

    async def delete(self, ctx: Context[Account], id: str, old: EndpointState) -> None:
        await ctx.client.endpoints.delete(ctx, id)

    async def _rolled_out(self, ctx: Context[Account], id: str, state: EndpointState) -> EndpointState:
        if not state.wait_for_rollout:
            return state
        try:
            version = await rollout.wait(
                ctx, id, state.workers.min, state.gpu.pools if state.gpu else [], state.data_center_ids
            )
        except rollout.NotReady as error:
            raise InitFailed(id, state, error.reasons) from error
        return state.model_copy(update={"version": version})
