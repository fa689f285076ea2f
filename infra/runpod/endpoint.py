"""`pilotlight-runpod:index:Endpoint`: a serverless queue endpoint on RunPod."""

from typing import Any, ClassVar

from infra.kit import CheckContext, Context, Created, Failure, InitFailed, InTheWay, Mark, Resource
from infra.runpod import endpoint_check, endpoint_wire, rollout
from infra.runpod.endpoint_model import ComputeFamily, EndpointInputs, EndpointState
from infra.runpod.endpoint_wire import MARK_KEY
from infra.runpod.errors import Missing
from infra.runpod.serverless import Raw, Serverless


class Endpoint(Resource[Serverless, EndpointInputs, EndpointState]):
    """A model behind RunPod's job queue: workers start from an image, take jobs, and scale from zero and back."""

    Inputs: ClassVar = EndpointInputs
    State: ClassVar = EndpointState

    # A worker that needs more than seven minutes to start is unhealthy (RUNPOD_INIT_TIMEOUT); twice that is enough.
    create_timeout_s: ClassVar = 900.0
    update_timeout_s: ClassVar = 900.0

    def check(self, ctx: CheckContext, inputs: EndpointInputs) -> list[Failure]:
        return endpoint_check.failures(ctx, inputs)

    def computed(self, ctx: CheckContext, inputs: EndpointInputs) -> dict[str, Any]:
        return {"compute_family": ComputeFamily.GPU if inputs.gpu is not None else ComputeFamily.CPU}

    def preview(self, ctx: CheckContext, inputs: EndpointInputs, old: EndpointState | None) -> dict[str, Any]:
        if old is None:
            return {}
        return {"url": old.url, "request_urls": old.request_urls, "created_at": old.created_at}

    async def find(self, ctx: Context[Serverless], inputs: EndpointInputs) -> str | None:
        for raw in await ctx.client.endpoints(ctx):
            found = (raw.get("env") or {}).get(MARK_KEY, "")
            if found == str(ctx.mark):
                return str(raw["id"])
            if raw["name"] == inputs.name and not _same_resource(found, ctx.mark):
                raise InTheWay(raw["id"], f'RunPod endpoint "{inputs.name}" ({raw["id"]})')
        return None

    async def create(self, ctx: Context[Serverless], inputs: EndpointInputs) -> Created[EndpointState]:
        body = endpoint_wire.create_body(inputs, str(ctx.mark))
        raw = await ctx.client.create(ctx, body, mark_key=MARK_KEY, mark=str(ctx.mark))
        state = endpoint_wire.state(raw, inputs)
        ctx.created(raw["id"], state)
        # With no workers to start, there is nothing to wait for: the endpoint takes jobs at once.
        if inputs.workers.min > 0:
            state = await self._rolled_out(ctx, raw["id"], state)
        return Created(raw["id"], state)

    async def read(
        self, ctx: Context[Serverless], id: str, old: EndpointState | None
    ) -> EndpointState | None:
        raw = await ctx.client.get(ctx, id)
        return None if raw is None else endpoint_wire.state(raw, old, version=old.version if old else None)

    async def update(
        self, ctx: Context[Serverless], id: str, old: EndpointState, new: EndpointInputs
    ) -> EndpointState:
        raw = await self._current(ctx, id)
        patch = endpoint_wire.patch_body(raw, new, str(ctx.mark))
        if patch:
            raw = await ctx.client.update(ctx, id, patch)
        state = endpoint_wire.state(raw, new, version=old.version)
        if patch and not endpoint_wire.moves_workers(patch):
            return state
        return await self._rolled_out(ctx, id, state)

    async def delete(self, ctx: Context[Serverless], id: str, old: EndpointState) -> None:
        await ctx.client.delete(ctx, id)

    async def _current(self, ctx: Context[Serverless], id: str) -> Raw:
        raw = await ctx.client.get(ctx, id)
        if raw is None:
            raise Missing(
                f"RunPod has no endpoint {id} any more",
                status=404,
                fix="run `pulumi refresh`, then `pulumi up`",
            )
        return raw

    async def _rolled_out(self, ctx: Context[Serverless], id: str, state: EndpointState) -> EndpointState:
        if not state.wait_for_rollout:
            return state
        try:
            version = await rollout.wait(ctx, ctx.client, id, state.workers.min)
        except rollout.NotReady as error:
            raise InitFailed(id, state, error.reasons) from error
        return state.model_copy(update={"version": version})


def _same_resource(text: str, mark: Mark) -> bool:
    """Whether a mark found in the cloud is an earlier generation of this very resource, about to be replaced."""
    found = Mark.parse(text)
    return found is not None and (found.instance, found.urn_hash) == (mark.instance, mark.urn_hash)
