"""The placement: exact, deterministic, and explained."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from infra.catalog import PriceMissing, load
from infra.planning import space as space_module
from infra.planning.gaps import clairvoyant_s, levels
from infra.planning.plan import EndpointPlan, Placement
from infra.planning.profile import TrafficProfile
from infra.planning.reasons import favour
from infra.planning.request import PlanRequest
from infra.planning.search import NothingToPlace, _Search, search
from infra.planning.synthetic import profile_of
from infra.spec.declarations import EndpointSpec, Questions, Slo, Traffic

catalog = load()
book = catalog.prices()
OPEN: dict[str, Any] = {
    "cloud": "auto",
    "gpu": ["L4"],
    "workers": "auto",
    "traffic": {"requests_per_hour": 20, "service_s": 5},
    "sizes": {"image_bytes": 2_000_000_000, "weights_bytes": 90_000_000},
}


def request(**changes: Any) -> PlanRequest:
    return PlanRequest.from_spec(EndpointSpec.model_validate(OPEN | changes), name="a")


def place(**changes: Any) -> Placement:
    return search(request(**changes), catalog, book, effort=1_000)


@pytest.fixture(scope="module")
def quick() -> Placement:
    return place(slo={"wait_p95_s": 30})


def exhaustive(wanted: PlanRequest, profile: TrafficProfile) -> EndpointPlan | None:
    """Every candidate of every place played, the cheapest of each cloud that holds, the better cloud."""
    run = _Search(wanted, profile, catalog, book)
    best = []
    for cloud in ("modal", "runpod"):
        groups = [group for group in run.groups if group.place.cloud == cloud]
        every = sorted(
            (candidate for group in groups for candidate in run.candidates(group, spare=False)),
            key=lambda candidate: candidate.order,
        )
        found = next((plan for plan in map(run.holds, every) if plan is not None), None)
        best += [found] if found else []
    return min(best, key=lambda plan: favour(plan, wanted), default=None)


def scenarios(count: int, start: int = 0) -> Iterator[tuple[PlanRequest, TrafficProfile]]:
    for seed in range(start, start + count):
        source = Random(seed)
        size, rate = source.randint(12, 40), 10 ** source.uniform(-4, -0.5)
        now, requests = 0.0, []
        for _ in range(size):
            now += source.expovariate(rate) if source.random() < 0.7 else source.uniform(0, 5)
            requests.append((now, source.uniform(0.5, 30)))
        slo = source.choice(
            [
                None,
                Slo(wait_p95_s=source.choice([0.5, 5, 20, 60])),
                Slo(cold_share=source.choice([0.02, 0.1, 0.3])),
                Slo(wait_p99_s=25, cold_start_p95_s=source.choice([15, 60])),
            ]
        )
        questions = Questions(docker_ci=source.random() < 0.3, pipelines=source.random() < 0.3)
        wanted = replace(
            request(fast_boot=source.random() < 0.4),
            gpu="auto",
            slo=slo,
            questions=questions,
            concurrency=source.choice([1, 1, 1, 3]),
        )
        yield wanted, TrafficProfile.from_requests(requests, interval=(0.6, 1.6))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three classes, so that playing everything takes no hours."""
    monkeypatch.setattr(space_module, "_cards", lambda *_: [("L4",), ("A10G",), ("A40",)])
    monkeypatch.setattr(space_module, "TIMEOUTS", (1, 5, 30, 300, 3600))
    monkeypatch.setattr("infra.planning.scoring.TIMEOUTS", (1, 5, 30, 300, 3600))


def agree(wanted: PlanRequest, profile: TrafficProfile) -> None:
    found = search(wanted, catalog, book, profile=profile)
    assert found.chosen == exhaustive(wanted, profile)


@pytest.mark.usefixtures("few")
def test_what_is_chosen_is_what_trying_everything_finds() -> None:
    for wanted, profile in scenarios(8):
        agree(wanted, profile)


@pytest.mark.campaign
@pytest.mark.usefixtures("few")
def test_what_is_chosen_is_what_trying_everything_finds_in_many_scenarios() -> None:
    for wanted, profile in scenarios(240, start=1_000):
        agree(wanted, profile)


def test_the_answer_never_varies(quick: Placement) -> None:
    assert place(slo={"wait_p95_s": 30}) == quick


def test_what_is_named_is_kept_and_what_is_open_is_chosen(quick: Placement) -> None:
    assert quick.chosen is not None
    assert quick.chosen.gpu == "L4"
    assert quick.chosen.breaches == ()
    assert quick.chosen.waits_worst is not None
    assert quick.chosen.waits_worst.p95 <= 30
    fixed = place(cloud="modal", workers={"min": 0, "max": 2}, idle_timeout_s=77)
    assert fixed.chosen is not None
    assert (fixed.chosen.cloud, fixed.chosen.workers.max, fixed.chosen.idle_timeout_s) == ("modal", 2, 77)
    assert fixed.candidates == 1


def test_a_tighter_slo_never_costs_less(quick: Placement) -> None:
    tight = place(slo={"wait_p95_s": 3})
    loose = place()
    costs = [found.chosen.cost.expected for found in (loose, quick, tight) if found.chosen]
    assert len(costs) == 3
    assert costs == sorted(costs)  # type: ignore[type-var]


def test_an_slo_that_no_cloud_meets_names_the_best_there_is() -> None:
    found = place(slo={"wait_p95_s": 0.001}, traffic={"requests_per_hour": 3000, "service_s": 60})
    assert found.chosen is None
    assert found.reasons[0].startswith("no candidate holds")
    found = place(slo={"wait_p95_s": 0.001}, traffic={"requests_per_hour": 300, "service_s": 30})
    assert found.chosen is None
    assert found.best_effort is not None
    assert found.best_effort.breaches
    assert found.best_effort.cloud in found.reasons[0]


def test_a_cold_start_that_no_phase_allows_says_so_for_each_place() -> None:
    found = place(slo={"cold_start_p95_s": 0.5})
    assert found.chosen is None
    assert len(found.refused) == 2
    assert all("is over the 0.5 s of the SLO" in item.reason for item in found.refused)
    assert found.reasons[0].startswith("no candidate holds: the best there is")


def test_a_budget_that_no_candidate_keeps_is_a_reason() -> None:
    found = place(budget={"usd_per_month": "0.01"})
    assert found.chosen is None
    assert "over the budget of $0.01" in found.reasons[0]


def test_places_that_lack_the_card_say_why() -> None:
    found = place(gpu=["A10G"])
    assert found.chosen is not None
    assert found.chosen.cloud == "modal"
    assert {item.candidate: item.reason for item in found.refused}[
        "runpod A10G"
    ] == "RunPod offers no A10 or A10G"


def test_regions_belong_to_a_cloud() -> None:
    refused = place(regions=["us-east"]).refused
    assert any("no data center called us-east" in item.reason for item in refused)


def test_a_price_that_nobody_knows_is_no_free_place() -> None:
    with pytest.raises(PriceMissing):
        search(request(gpu=["RTX-5090"], cloud="runpod"), catalog, book)


def test_without_traffic_nothing_is_placed() -> None:
    with pytest.raises(NothingToPlace, match="nothing is known of its traffic"):
        place(traffic=None)
    with pytest.raises(NothingToPlace, match="nothing says how long a request takes"):
        place(traffic={"requests_per_hour": 5})


def test_answers_tip_the_choice_between_like_costs_and_are_printed() -> None:
    plain = place()
    assert plain.chosen is not None
    (other,) = (plan for plan in plain.alternatives if plan.kind == "serverless")
    speaks_for_other = {
        "modal": ("avoid_docker", "pipelines"),
        "runpod": ("docker_ci", "machines_beside_serverless"),
    }
    answers = dict.fromkeys(speaks_for_other[other.cloud], True)
    tipped = place(questions=answers)
    assert tipped.chosen is not None
    assert plain.chosen.cost.expected is not None
    assert other.cost.expected is not None
    near = other.cost.expected * Decimal("0.8") < plain.chosen.cost.expected
    assert (tipped.chosen.cloud == other.cloud) is near
    assert sum("choose" in reason for reason in tipped.reasons) == 2


def test_machines_that_are_always_on_are_compared(quick: Placement) -> None:
    found = place(gpu=["H100"], slo={"wait_p95_s": 1})
    kinds = {plan.kind: plan for plan in found.alternatives if plan.kind != "serverless"}
    assert kinds["pod_secure"].cost.floor == Decimal("2912.70") * kinds["pod_secure"].workers.min
    # the guide's $35,000 a year
    assert kinds["vm"].cost.floor * 12 / kinds["vm"].workers.min == pytest.approx(
        Decimal(35_000), rel=Decimal("0.001")
    )
    assert sum("an always-on" in reason for reason in found.reasons) == 2


def test_a_model_that_fits_no_single_card_gets_several() -> None:
    found = place(
        gpu="auto",
        cloud="modal",
        traffic={"requests_per_hour": 5},
        llm={"params_b": 70, "layers": 80, "kv_heads": 8},
        slo={"cold_start_p95_s": 1000},
    )
    assert found.chosen is not None
    assert found.chosen.vram is not None
    assert found.chosen.vram.fits
    assert found.chosen.gpu_count * catalog.gpu(found.chosen.gpu or "").vram_gib > 140


def test_the_frontier_only_gets_faster_as_it_gets_dearer(quick: Placement) -> None:
    front = [point for point in quick.frontier if point.on_frontier]
    assert len(front) >= 3
    assert [p.usd_per_month for p in front] == sorted(p.usd_per_month for p in front)
    assert [p.wait_p95_s for p in front] == sorted((p.wait_p95_s for p in front), reverse=True)
    assert sum(point.chosen for point in quick.frontier) == 1
    assert len(quick.frontier) <= 202


def test_without_an_slo_never_twice_the_bound_of_one_who_knows_the_future() -> None:
    for rate in (2, 20, 200):
        traffic = Traffic(requests_per_hour=rate, service_s=5)
        found = place(traffic=traffic.model_dump(exclude_none=True), cloud="modal")
        assert found.chosen is not None
        profile = profile_of(traffic, None, 1_000)
        assert profile.services is not None
        work = levels(profile.arrivals, profile.services, profile.horizon_s)
        start = found.chosen.cold_start
        bound = (
            clairvoyant_s(work, start.p50) / profile.horizon_s * 730 * float(found.chosen.usd_per_worker_hour)
        )
        assert float(found.chosen.cost.expected or 0) <= 2 * bound
