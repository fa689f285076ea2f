"""Waiting until an endpoint's workers run what was declared, and saying why when they do not."""

import asyncio
from collections import Counter
from typing import Any

from infra.kit import Context
from infra.runpod.account import Account
from infra.runpod.market import sold_out
from infra.spec.errors import PilotlightError

_READY = ("RUNNING", "IDLE")
_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 3.0)
_LONGEST_PAUSE_S = 5.0
_LOG_LINES = 10
_MOST_EXPLAINED = 3
# RunPod may be about to replace a sick worker, and after a repair the old one is still listed for a moment.
_SICK_PATIENCE_S = 10.0
# What is left of the operation's time for asking why.
_FOR_REASONS_S = 4.0


class NotReady(PilotlightError):
    """The endpoint exists, its workers do not run."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


async def wait(
    ctx: Context[Account], id: str, min_workers: int, pools: list[str], places: list[str]
) -> int | None:
    """Until `min_workers` of the current version are ready and none runs an older one. Returns the version.

    Raises NotReady when workers stay unhealthy and none is on its way, or when the operation's time is up. Old workers
    that are still busy at that time are only a warning: RunPod ends them after their job. `pools` and `places` (data
    centers) are where the stock is looked up when workers get no machine.
    """
    serverless = ctx.client.endpoints
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
            raise NotReady(await _diagnosis(ctx, id, current))
        text = _progress(ready, min_workers, counts, old)
        pause = next(pauses, _LONGEST_PAUSE_S)
        sick_for = sick_for + pause if stuck else 0.0
        if ctx.remaining() <= pause + min(_FOR_REASONS_S, ctx.timeout / 4):
            if ready >= min_workers:
                ctx.warn(f"{text}: RunPod ends them after their job")
                return answer.get("endpointVersion")
            first = await _out_of_time(ctx, text, counts, pools, places)
            raise NotReady([first, *await _diagnosis(ctx, id, current)])
        ctx.status(text)
        await ctx.sleep(pause)


def _progress(ready: int, wanted: int, counts: Counter[str], old: int) -> str:
    parts = [f"rollout {ready}/{max(wanted, ready)} workers" if wanted else "rollout"]
    parts += [f"{counts[s]} {s.lower()}" for s in ("INITIALIZING", "THROTTLED", "UNHEALTHY") if counts[s]]
    if old:
        parts.append(f"{old} still on the old version")
    return ", ".join(parts)


async def _out_of_time(
    ctx: Context[Account], text: str, counts: Counter[str], pools: list[str], places: list[str]
) -> str:
    reason = f"not ready after {ctx.timeout:.0f} s: {text}"
    if counts["THROTTLED"]:
        gone = await sold_out(ctx, pools, places)
        where = f" in {', '.join(places)}" if places else ""
        stock = f" ({', '.join(gone)}: sold out{where} now)" if gone else ""
        reason += f". RunPod has no free machine of this kind{stock}: add GPU pools or data centers"
    elif not counts:
        reason += ". RunPod has started no worker: is the account's worker limit or spend limit reached?"
    return reason


async def _diagnosis(ctx: Context[Account], id: str, workers: list[dict[str, Any]]) -> list[str]:
    """One reason for each worker that is not up (at most three, the sick ones first), with what it said last."""
    not_up = [worker for worker in workers if worker["status"] in ("UNHEALTHY", "INITIALIZING")]
    not_up.sort(key=lambda worker: worker["status"] != "UNHEALTHY")
    patience_s = max(0.5, min(2.0, ctx.remaining() - 1.0))

    async def reason(worker: dict[str, Any]) -> str:
        lines = await ctx.client.endpoints.last_log_lines(id, worker["id"], _LOG_LINES, patience_s)
        said = "\n    ".join(lines) if lines else "it has said nothing"
        where = " in ".join(filter(None, [worker.get("gpuTypeId"), worker.get("dataCenterId")]))
        on = f" on {where}" if where else ""
        return f"worker {worker['id']} is {worker['status'].lower()} (image {worker.get('image')}){on}:\n    {said}"

    return list(await asyncio.gather(*(reason(worker) for worker in not_up[:_MOST_EXPLAINED])))
