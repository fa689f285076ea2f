"""Waiting until an endpoint's workers run what was declared, and saying why when they do not."""

from collections import Counter
from typing import Any

from infra.kit import Context
from infra.runpod.account import Account
from infra.runpod.serverless import Serverless
from infra.spec.errors import PilotlightError

_READY = ("RUNNING", "IDLE")
_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 3.0)
_LONGEST_PAUSE_S = 5.0
_LOG_LINES = 10
# RunPod may be about to replace a sick worker, and after a repair the old one is still listed for a moment.
_SICK_PATIENCE_S = 10.0


class NotReady(PilotlightError):
    """The endpoint exists, its workers do not run."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


async def wait(ctx: Context[Account], serverless: Serverless, id: str, min_workers: int) -> int | None:
    """Until `min_workers` of the current version are ready and none runs an older one. Returns the version.

    Raises NotReady when workers stay unhealthy and none is on its way, or when the operation's time is up. Old workers
    that are still busy at that time are only a warning: RunPod ends them after their job.
    """
    pauses = iter(_PAUSES_S)
    sick_for = 0.0
    while True:
        answer = await serverless.workers(ctx, id)
        current = [worker for worker in answer["workers"] if not worker["isStale"]]
        old = len(answer["workers"]) - len(current)
        counts = Counter(worker["status"] for worker in current)
        ready = sum(counts[status] for status in _READY)
        if ready >= min_workers and old == 0:
            version: int | None = answer.get("endpointVersion")
            return version
        on_the_way = counts["INITIALIZING"] + counts["THROTTLED"]
        stuck = bool(counts["UNHEALTHY"]) and ready < min_workers and not on_the_way
        if stuck and sick_for >= _SICK_PATIENCE_S:
            raise NotReady(await _diagnosis(serverless, id, current))
        text = _progress(ready, min_workers, counts, old)
        pause = next(pauses, _LONGEST_PAUSE_S)
        sick_for = sick_for + pause if stuck else 0.0
        if ctx.remaining() <= pause:
            if ready >= min_workers:
                ctx.warn(f"{text}: RunPod ends them after their job")
                return answer.get("endpointVersion")
            raise NotReady([_out_of_time(ctx, text, counts), *await _diagnosis(serverless, id, current)])
        ctx.status(text)
        await ctx.sleep(pause)


def _progress(ready: int, wanted: int, counts: Counter[str], old: int) -> str:
    parts = [f"rollout {ready}/{max(wanted, ready)} workers" if wanted else "rollout"]
    parts += [f"{counts[s]} {s.lower()}" for s in ("INITIALIZING", "THROTTLED", "UNHEALTHY") if counts[s]]
    if old:
        parts.append(f"{old} still on the old version")
    return ", ".join(parts)


def _out_of_time(ctx: Context[Account], text: str, counts: Counter[str]) -> str:
    reason = f"not ready after {ctx.timeout:.0f} s: {text}"
    if counts["THROTTLED"]:
        reason += ". RunPod has no free machine of this kind: add GPU pools or data centers"
    elif not counts:
        reason += ". RunPod has started no worker: is the account's worker limit or spend limit reached?"
    return reason


async def _diagnosis(serverless: Serverless, id: str, workers: list[dict[str, Any]]) -> list[str]:
    """One reason for each sick worker (at most three), with what it said last."""
    sick = [worker for worker in workers if worker["status"] == "UNHEALTHY"]
    reasons = []
    for worker in sick[:3]:
        lines = await serverless.last_log_lines(id, worker["id"], _LOG_LINES)
        said = "\n    ".join(lines) if lines else "it has said nothing"
        reasons.append(f"worker {worker['id']} is unhealthy (image {worker.get('image')}):\n    {said}")
    return reasons
