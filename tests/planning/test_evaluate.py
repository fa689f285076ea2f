"""The plan of a placed endpoint: both ends of its cost, honest about what is not known."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from infra.catalog import PriceMissing, UnknownGpu, load
from infra.planning.evaluate import NotPlaced, evaluate
from infra.planning.plan import EndpointPlan
from infra.planning.request import PlanRequest
from infra.spec.declarations import EndpointSpec, wire
from infra.spec.findings import UNKNOWN

catalog = load()
book = catalog.prices()
PLACED: dict[str, Any] = {
    "cloud": "runpod",
    "gpu": "L4",
    "workers": {"min": 0, "max": 3},
    "traffic": {"requests_per_hour": 50, "service_s": 10},
    "sizes": {"image_bytes": 5_000_000_000, "weights_bytes": 90_000_000},
}


def request(**changes: Any) -> PlanRequest:
    return PlanRequest.from_spec(EndpointSpec.model_validate(PLACED | changes), name="a")


def plan(**changes: Any) -> EndpointPlan:
    return evaluate(request(**changes), catalog, book)


def test_the_ends_of_the_cost_are_in_order() -> None:
    cost = plan().cost
    assert (cost.floor, cost.ceiling) == (Decimal("0.00"), Decimal("1497.96"))
    assert cost.low is not None
    assert cost.expected is not None
    assert cost.high is not None
    assert cost.floor < cost.low < cost.expected < cost.high < cost.ceiling
    assert cost.pessimistic == cost.high


def test_without_traffic_there_are_still_floor_ceiling_and_cold_start() -> None:
    found = plan(traffic=None)
    assert found.cost.expected is None
    assert found.cost.pessimistic == found.cost.ceiling
    assert found.missing == ("traffic",)
    assert found.cold_start.p95 > found.cold_start.p50 > 0
    assert found.waits is None


def test_a_rate_without_seconds_says_what_is_missing() -> None:
    found = plan(traffic={"requests_per_hour": 5})
    assert found.missing == ("traffic.service_s",)
    assert found.basis == "rate (a guess)"
    assert found.cost.expected is None


def test_a_language_model_needs_no_measured_seconds() -> None:
    found = plan(traffic={"requests_per_hour": 5}, llm={"params_b": 8, "layers": 32, "kv_heads": 8})
    assert found.seconds_per_request is not None
    assert 3 < found.seconds_per_request < 60
    assert any("+-35%" in note for note in found.notes)
    assert found.vram is not None
    assert found.vram.max_sequences == 1


def test_unknown_everywhere_gives_a_plan_that_says_so() -> None:
    intent = {"endpoint": "a", **dict.fromkeys(EndpointSpec.model_fields, UNKNOWN)}
    intent |= {"cloud": "runpod", "gpu": ["L4"]}
    del intent["cpu"]
    found = evaluate(PlanRequest.from_intent(intent), catalog, book)
    assert {"traffic", "workers", "sizes.image_bytes", "sizes.weights_bytes"} <= set(found.missing)
    assert found.cost.ceiling == Decimal("1497.96")


def test_the_plan_of_the_intent_is_that_of_the_declaration() -> None:
    spec = EndpointSpec.model_validate(PLACED)
    assert evaluate(PlanRequest.from_intent({"endpoint": "a", **wire(spec)}), catalog, book) == plan()


def test_the_same_input_gives_the_same_plan() -> None:
    assert plan(fast_boot=True) == plan(fast_boot=True)


def test_flashboot_is_judged_without_a_hit() -> None:
    fast, plain = plan(fast_boot=True), plan()
    assert fast.waits is not None
    assert fast.waits_worst is not None
    assert plain.waits_worst is not None
    assert fast.waits.p50 < plain.waits_worst.p50 + 1
    assert fast.waits_worst.p95 >= fast.waits.p95
    assert fast.cold_start_worst == replace(plain.cold_start_worst, hit_rate=0.0)


def test_more_room_costs_more_and_waits_less() -> None:
    short, long = plan(idle_timeout_s=5), plan(idle_timeout_s=600)
    assert short.cost.expected < long.cost.expected  # type: ignore[operator]
    assert short.cold_share > long.cold_share  # type: ignore[operator]
    always = plan(workers={"min": 1, "max": 3})
    assert always.cost.floor == Decimal("499.32")
    assert always.cold_share > 0  # type: ignore[operator]  # bursts still start workers


def test_modal_bills_cores_memory_and_region() -> None:
    modal = {"cloud": "modal", "gpu": "A10G"}
    anywhere, narrow = plan(**modal), plan(**modal, regions=["us-east"])
    assert narrow.usd_per_worker_hour == anywhere.usd_per_worker_hour * Decimal("1.75")
    assert plan(**modal, regions=["us"]).usd_per_worker_hour == anywhere.usd_per_worker_hour * Decimal("1.5")
    assert anywhere.usd_per_worker_hour > book.usd_per_gpu_hour("modal", "A10G")
    assert anywhere.scaler is None


def test_request_count_on_runpod_has_the_platforms_idle_timeout() -> None:
    found = plan(scaler={"type": "request_count", "value": 1}, idle_timeout_s=600)
    assert found.idle_timeout_s == 5


def test_an_unknown_price_is_never_nothing() -> None:
    with pytest.raises(PriceMissing):
        plan(cloud="runpod", gpu="T4")
    with pytest.raises(PriceMissing):
        evaluate(request(gpu=None, cpu={"vcpu": 2}), catalog, catalog.prices("seed-2026"))
    with pytest.raises(UnknownGpu):
        plan(gpu="H1000")


def test_what_is_left_open_is_named() -> None:
    with pytest.raises(NotPlaced, match="cloud, workers is left open"):
        plan(cloud="auto", workers="auto")


def test_a_budget_below_the_always_on_workers_contradicts_them() -> None:
    found = plan(workers={"min": 2, "max": 3}, budget={"usd_per_month": 500})
    assert "2 always-on workers alone cost $998.64 a month" in found.breaches[0]
    assert "contradict" in found.breaches[0]


def test_slo_and_budget_are_held_against_the_pessimistic_end() -> None:
    base = plan()
    assert base.cost.high is not None
    budget = {"usd_per_month": base.cost.high - 1}
    assert "at the high end" in plan(budget=budget).breaches[0]
    assert plan(budget={"usd_per_month": base.cost.high + 1}).breaches == ()
    breach = plan(
        slo={"cold_start_p95_s": 1, "wait_p95_s": 0.001, "wait_p99_s": 0.001, "cold_share": 0}
    ).breaches
    assert [
        words in text
        for words, text in zip(("cold start p95", "wait p95", "wait p99", "start cold"), breach, strict=True)
    ] == [True] * 4


def test_an_slo_that_is_just_met_is_met() -> None:
    base = plan()
    assert base.waits_worst is not None
    limits = {"wait_p95_s": base.waits_worst.p95, "cold_start_p95_s": base.cold_start_worst.p95}
    assert plan(slo=limits).breaches == ()
    assert len(plan(slo={name: 0.999 * limit for name, limit in limits.items()}).breaches) == 2


def test_more_work_than_workers_is_said() -> None:
    found = plan(traffic={"requests_per_hour": 3600, "service_s": 10})
    assert any("keep 10.0 workers busy and there are at the most 3" in note for note in found.notes)


@pytest.mark.parametrize("rate", [1e-4, 0.01, 1.0, 1e5, 1e7])
def test_extreme_rates_have_a_plan(rate: float) -> None:
    found = plan(traffic={"requests_per_hour": rate, "service_s": 0.01})
    assert found.cost.expected is not None
    assert found.cost.expected.is_finite()
    assert found.cost.expected <= found.cost.ceiling


def test_runpod_turns_off_what_nobody_calls() -> None:
    found = plan(traffic={"requests_per_hour": 0.005, "service_s": 1})
    assert any("after 7 RunPod lowers the maximum to 0" in note for note in found.notes)
    assert found.longest_silence_s > 7 * 86_400  # type: ignore[operator]


def test_a_plan_is_plain_data() -> None:
    import json

    data = json.loads(json.dumps(plan(fast_boot=True).as_data()))
    assert data["cost"]["ceiling"] == "1497.96"
    assert data["workers"] == {"min": 0, "max": 3, "buffer": 0}
    assert [phase["name"] for phase in data["cold_start"]["phases"]] == [
        "acquire",
        "image",
        "weights",
        "load",
    ]


def test_sharing_a_worker_needs_fewer_of_them() -> None:
    busy = {"requests_per_hour": 2000, "service_s": 4}
    alone = plan(traffic=busy, workers={"min": 0, "max": 8})
    shared = plan(traffic=busy, workers={"min": 0, "max": 8}, concurrency=4)
    assert shared.cost.expected < alone.cost.expected * Decimal("0.8")  # type: ignore[operator]
