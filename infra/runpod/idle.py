"""RunPod's own scale-down of idle endpoints: recognised, and said as what it is.

Without a request for 3 days `workers.max` falls to 2, for 7 days to 0 (docs.runpod.io, endpoint settings, 2026-08; the catalog's
`idle_scale_down_days`). RunPod leaves no trace of it, so it is told by its numbers.
"""

from typing import Any

from infra.runpod.endpoint_model import EndpointState, EndpointWorkers

_DAYS_UNTIL = {2: 3, 0: 7}


def lowered(raw: dict[str, Any], declared: EndpointWorkers) -> int | None:
    """What RunPod has lowered the most workers to; None where it has not."""
    most: int = raw["workers"]["max"]
    is_step = most in _DAYS_UNTIL and most < declared.max
    return most if is_step and declared.min == 0 else None


def warning(state: EndpointState, declared: EndpointWorkers) -> str:
    """Of a state whose `scaled_down_to` is set."""
    most = state.scaled_down_to or 0
    text = (
        f"RunPod lowered max workers to {most} after {_DAYS_UNTIL[most]} idle days (declared: {declared.max})"
    )
    if most == 0:
        text += ", so it serves no request"
    if state.repair_scale_down:
        return f"{text}. The next `pulumi up` raises it again; `repairScaleDown: false` would leave it"
    return f"{text}. It stays so, because repairScaleDown is false"
