"""Each cloud's scaling, as the engines understand it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from infra.catalog import Catalog
from infra.planning.profile import DAY_S
from infra.planning.run import Policy
from infra.spec.scaling import Scaler, ScalerType, Workers


def policy_of(
    cloud: str,
    workers: Workers,
    idle_timeout_s: int,
    scaler: Scaler | None,
    catalog: Catalog,
    *,
    concurrency: int = 1,
    rates: Sequence[float] = (1.0,),
) -> Policy:
    """Modal: one container for every `concurrency` inputs in the system, the fullest takes the next. RunPod: the
    scaler's rule, the emptiest takes the next; on request count it has an idle timeout of its own."""
    facts = catalog.scaler_defaults[cloud]
    if cloud == "modal":
        return Policy(
            minimum=workers.min,
            maximum=workers.max,
            idle_timeout_s=float(idle_timeout_s),
            value=float(concurrency),
            concurrency=concurrency,
            buffer=workers.buffer,
            rates=tuple(rates),
            pick="fullest",
            whole_seconds=facts["bills_whole_seconds"],
            stop_s=float(facts.get("stop_s", 0)),
        )
    scaler = scaler or Scaler()
    return Policy(
        minimum=workers.min,
        maximum=workers.max,
        idle_timeout_s=float(idle_timeout_of(cloud, idle_timeout_s, scaler, catalog)),
        rule="request_count" if scaler.type is ScalerType.REQUEST_COUNT else "queue_delay",
        value=float(scaler.value),
        concurrency=concurrency,
        rates=tuple(rates),
        pick="least",
        whole_seconds=facts["bills_whole_seconds"],
        stop_s=float(facts.get("stop_s", 0)),
    )


def idle_timeout_of(cloud: str, declared: int, scaler: Scaler | None, catalog: Catalog) -> int:
    """Seconds: RunPod's queue endpoints that scale on request count take none and have the platform's."""
    if cloud == "runpod" and scaler is not None and scaler.type is ScalerType.REQUEST_COUNT:
        return int(catalog.scaler_defaults["runpod"]["request_count_idle_s"])
    return declared


def idle_caps(arrivals: Sequence[float], cloud: str, catalog: Catalog) -> list[tuple[float, int]]:
    """When a cloud lowers the maximum by itself because nobody called, and to what; nobody raises it again."""
    caps: list[tuple[float, int]] = []
    rules: list[Any] = catalog.scaler_defaults[cloud].get("idle_down", [])
    for earlier, later in pairwise(arrivals):
        for days, most in rules:
            if later - earlier >= days * DAY_S and (not caps or most < caps[-1][1]):
                caps.append((earlier + days * DAY_S, most))
    return caps
