"""Quiet endpoints put together."""

from dataclasses import replace

import pytest

from infra.catalog import load
from infra.planning.consolidate import Member, consolidation, superposed
from infra.planning.evaluate import evaluate
from infra.planning.profile import TrafficProfile
from infra.planning.request import PlanRequest
from infra.planning.synthetic import profile_of
from infra.spec.declarations import Traffic, Workers

catalog = load()


def member(name: str, per_hour: float, gpu: str = "L4") -> Member:
    traffic = Traffic(requests_per_hour=per_hour, service_s=5)
    request = PlanRequest(
        name, cloud="runpod", gpu=(gpu,), workers=Workers(), idle_timeout_s=300, traffic=traffic
    )
    plan = evaluate(request, catalog, catalog.prices(), effort=600)
    return Member(request, plan, profile_of(traffic, None, 600))


def test_quiet_models_on_the_same_card_are_cheaper_and_warmer_together() -> None:
    group = [member(f"m{number}", 3) for number in range(5)]
    (advice,) = consolidation([*group, member("elsewhere", 3, "A40"), member("busy", 2_000)], catalog)
    assert advice.endpoints == ("m0", "m1", "m2", "m3", "m4")
    assert advice.together < advice.apart * 6 / 10
    assert advice.cold_share_together < advice.cold_share_apart
    assert f"${advice.together:,}" in advice.text


def test_one_alone_has_nobody_to_go_together_with() -> None:
    assert consolidation([member("a", 3)], catalog) == []
    assert consolidation([], catalog) == []


def test_what_is_not_known_is_left_alone() -> None:
    one, two = member("a", 3), member("b", 3)
    unplanned = replace(two, plan=replace(two.plan, utilisation=None))
    assert consolidation([one, unplanned], catalog) == []


def test_rates_add_up() -> None:
    short = TrafficProfile.from_requests([(0.0, 1.0), (10.0, 1.0), (20.0, 1.0)])
    long = TrafficProfile.from_requests([(0.0, 2.0), (100.0, 2.0), (300.0, 2.0)])
    both = superposed([short, long])
    assert both.horizon_s == 450
    assert both.requests_per_hour == pytest.approx(short.requests_per_hour + long.requests_per_hour, rel=0.02)
    assert list(both.arrivals) == sorted(both.arrivals)
