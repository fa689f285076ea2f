"""`pilotlight-runpod:index:Pod`: a machine with a container on RunPod, for training or for what must not scale to zero."""

from typing import Any, ClassVar

from infra.kit import CheckContext, Context, Created, Failure, InitFailed
from infra.runpod import marks, pod_check, pod_wire
from infra.runpod.account import Account
from infra.runpod.collection import Raw
from infra.runpod.errors import Rejected, at_property
from infra.runpod.managed import Managed
from infra.runpod.pod_model import DesiredState, PodInputs, PodState
from infra.runpod.pod_wait import NotThere, wait


class Pod(Managed[PodInputs, PodState]):
    """A machine with a container, billed while it runs: a training run, or a server that must not scale to zero."""

    Inputs: ClassVar = PodInputs
    State: ClassVar = PodState

    def check(self, ctx: CheckContext, inputs: PodInputs) -> list[Failure]:
        return pod_check.failures(ctx, inputs)

    def computed(self, ctx: CheckContext, inputs: PodInputs) -> dict[str, Any]:
        return {"storage": pod_wire.storage_of(inputs)}

    def preview(self, ctx: CheckContext, inputs: PodInputs, old: PodState | None) -> dict[str, Any]:
        return {} if old is None else {"created_at": old.created_at, "data_center": old.data_center}

    async def find(self, ctx: Context[Account], inputs: PodInputs) -> str | None:
        found = marks.ours(await ctx.client.pods.all(ctx), ctx.mark, inputs.name, "pod")
        return str(found["id"]) if found else None

    async def create(self, ctx: Context[Account], inputs: PodInputs) -> Created[PodState]:
        mark = str(ctx.mark)
        try:
            with at_property(pod_wire.NAMES, pod_wire.WORDS):
                raw = await ctx.client.pods.create(
                    ctx,
                    pod_wire.create_body(inputs, mark),
                    lambda raw: marks.of_environment(raw) == mark,
                    inputs.env.values(),
                )
        except Rejected as error:
            if pod_wire.NO_STOCK in error.detail.lower():
                error.fix = "choose another GPU or other data centers (getGpuClasses has the stock), or run it again later"
            raise
        ctx.created(raw["id"], pod_wire.state(raw, inputs))
        return Created(raw["id"], await self._brought(ctx, raw, inputs, changed=False))

    async def read(self, ctx: Context[Account], id: str, old: PodState | None) -> PodState | None:
        raw = await ctx.client.pods.get(ctx, id)
        if raw is None or raw["status"] == "TERMINATED":
            return None
        wanted = getattr(old, "desired_state", None)
        if wanted is DesiredState.RUNNING and not pod_wire.is_alive(raw):
            ctx.warn(
                f"pod {raw['name']} has stopped by itself ({raw['status']}); `pulumi up` starts it again"
            )
        return pod_wire.state(raw, old)

    async def update(self, ctx: Context[Account], id: str, old: PodState, new: PodInputs) -> PodState:
        raw = await ctx.client.pods.current(ctx, id)
        patch = pod_wire.patch_body(raw, new, str(ctx.mark))
        with at_property(pod_wire.NAMES, pod_wire.WORDS):
            if raw.get("locked") and not new.locked:
                raw = await ctx.client.pods.update(ctx, id, {"locked": False})
            if patch:
                raw = await ctx.client.pods.update(ctx, id, patch, new.env.values())
        return await self._brought(ctx, raw, new, changed=pod_wire.restarts(patch))

    async def delete(self, ctx: Context[Account], id: str, old: PodState) -> None:
        with at_property(pod_wire.NAMES, {"locked": "locked"}):
            await ctx.client.pods.delete(ctx, id)

    async def _brought(
        self, ctx: Context[Account], raw: Raw, inputs: PodInputs, *, changed: bool
    ) -> PodState:
        """Started, stopped and locked as declared; a pod that runs once is started again when its container changed."""
        id, alive, wanted = raw["id"], pod_wire.is_alive(raw), inputs.desired_state
        with at_property(pod_wire.NAMES, pod_wire.WORDS):
            if wanted is DesiredState.STOPPED and alive:
                await ctx.client.pods.act(ctx, id, "stop", lambda raw: not pod_wire.is_alive(raw))
            again = changed or raw["status"] == "ERROR"
            if not alive and (wanted is DesiredState.RUNNING or (wanted is DesiredState.ONCE and again)):
                await ctx.client.pods.act(ctx, id, "start", pod_wire.is_alive)
            if bool(raw.get("locked")) is not inputs.locked:
                await ctx.client.pods.update(ctx, id, {"locked": inputs.locked})
        if inputs.wait_for_state:
            try:
                await wait(ctx, id, wanted)
            except NotThere as error:
                raise InitFailed(id, await self._state(ctx, id, raw, inputs), error.reasons) from error
        return await self._state(ctx, id, raw, inputs)

    async def _state(self, ctx: Context[Account], id: str, raw: Raw, inputs: PodInputs) -> PodState:
        # What was just listed by the wait is what there is.
        state = pod_wire.state(await ctx.client.pods.get(ctx, id) or raw, inputs)
        return state.model_copy(update={"desired_state": inputs.desired_state})
