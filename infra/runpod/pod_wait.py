"""Waiting until a pod runs, has run, or has stopped, and saying why when it does not."""

from infra.kit import Context
from infra.runpod.account import Account
from infra.runpod.collection import Raw
from infra.runpod.pod_model import DesiredState
from infra.spec.errors import PilotlightError

_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 3.0)
_LONGEST_PAUSE_S = 5.0
_LOG_LINES = 10
# A pod that was just told to start is listed as it was for a moment.
_OLD_STATUS_S = 10.0
_FOR_LOGS_S = 3.0


class NotThere(PilotlightError):
    """The pod exists, and is not in the state that was declared."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


async def wait(ctx: Context[Account], id: str, wanted: DesiredState) -> Raw:
    """Until it is RUNNING; or EXITED for STOPPED; either for ONCE. All that wait share one listing.

    Raises NotThere with its last log lines when it fails or ends instead, or when the operation's time is up.
    """
    pauses = iter(_PAUSES_S)
    waited = 0.0
    was_alive = False
    while True:
        raw = next((raw for raw in await ctx.client.pods.all(ctx, fresh=True) if raw["id"] == id), None)
        status = raw["status"] if raw else "TERMINATED"
        if raw is not None and status in _GOOD[wanted]:
            return raw
        was_alive = was_alive or status in ("PROVISIONING", "STARTING", "RUNNING")
        settled = was_alive or waited >= _OLD_STATUS_S
        if raw is None or (settled and status in ("ERROR", "EXITED") and wanted is not DesiredState.STOPPED):
            raise NotThere([await _why(ctx, id, f"pod {id} is {status} instead of {wanted.value}")])
        pause = next(pauses, _LONGEST_PAUSE_S)
        if ctx.remaining() <= pause + _FOR_LOGS_S:
            text = f"pod {id} is still {status} after {ctx.timeout:.0f} s"
            if status == "PROVISIONING":
                text += ". RunPod has not found a machine for it: is this GPU in stock (getGpuClasses tells)?"
            raise NotThere([await _why(ctx, id, text)])
        ctx.status(f"pod is {status}")
        await ctx.sleep(pause)
        waited += pause


_GOOD = {
    DesiredState.RUNNING: ("RUNNING",),
    DesiredState.STOPPED: ("EXITED",),
    DesiredState.ONCE: ("RUNNING", "EXITED"),
}


async def _why(ctx: Context[Account], id: str, text: str) -> str:
    lines = await ctx.client.pods.last_log_lines(id, _LOG_LINES)
    said = "\n    ".join(lines) if lines else "it has said nothing"
    return f"{text}:\n    {said}"
