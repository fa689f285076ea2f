"""Published traces, where they are at hand: Azure LLM 2023 (CC-BY-4.0) and ServeGen samples (Apache-2.0).

They are looked for in `shared/data/traces`, in the checkout or beside it, or where PILOTLIGHT_TRACES says.
"""

import csv
import os
from pathlib import Path
from random import Random

import pytest

from infra.catalog import load
from infra.planning.evaluate import evaluate
from infra.planning.gaps import clairvoyant_s, gap_sweep, levels
from infra.planning.kernel import run_kernel
from infra.planning.profile import TrafficProfile
from infra.planning.request import PlanRequest
from infra.planning.run import Boot, Policy
from infra.planning.simulate import simulate
from infra.planning.synthetic import profile_of
from infra.planning.trace import read_trace
from infra.spec.declarations import LlmSpec, Traffic, Workers

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    os.environ.get("PILOTLIGHT_TRACES", ""),
    ROOT / "shared/data/traces",
    ROOT.parent / "shared/data/traces",
)
HOME = next((Path(place) for place in PLACES if place and Path(place).is_dir()), None)
pytestmark = pytest.mark.skipif(
    HOME is None, reason="no traces: shared/data/traces, or set PILOTLIGHT_TRACES"
)
TRACES = HOME or ROOT
LLAMA = LlmSpec(params_b=8.03, layers=32, kv_heads=8)


@pytest.mark.parametrize(
    ("name", "requests", "rate", "burstiness"), [("code", 8_819, 2.57, 13.2), ("conv", 19_366, 5.53, 1.09)]
)
def test_azures_traces_have_the_rate_and_burstiness_that_others_measured(
    name: str, requests: int, rate: float, burstiness: float
) -> None:
    found = read_trace(TRACES / f"azure_llm_2023/AzureLLMInferenceTrace_{name}.csv")
    profile = TrafficProfile.from_requests(found)
    assert len(profile.arrivals) == requests
    assert profile.requests_per_hour / 3600 == pytest.approx(rate, rel=0.01)
    gaps = [b - a for a, b in zip(profile.arrivals, profile.arrivals[1:], strict=False)]
    mean = sum(gaps) / len(gaps)
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 / mean == pytest.approx(
        burstiness, rel=0.02
    )


@pytest.mark.parametrize("name", ["code", "conv"])
def test_replayed_with_seconds_from_the_tokens_two_engines_agree(name: str) -> None:
    trace = f"azure_llm_2023/AzureLLMInferenceTrace_{name}.csv"
    request = PlanRequest(
        "azure",
        cloud="modal",
        gpu=("H100",),
        workers=Workers(min=0, max=20),
        llm=LLAMA,
        traffic=Traffic(trace=trace),
    )
    plan = evaluate(request, load(), load().prices(), root=TRACES)
    assert plan.basis == "trace"
    assert plan.cost.expected is not None
    assert 0.1 < (plan.seconds_per_request or 0) < 20
    profile = profile_of(Traffic(trace=trace, service_s=2.0), TRACES, 3_000)
    assert profile.services is not None
    policy, boots = Policy(0, 20, 30.0), [Boot(20.0, 3.0)]
    one = simulate(profile.arrivals, profile.services, policy, boots, profile.horizon_s)
    other = run_kernel(profile.arrivals, profile.services, policy, boots, profile.horizon_s, compiled=False)
    assert one.billed_s == pytest.approx(other.billed_s, rel=1e-9)
    assert list(one.waits) == list(other.waits)


def servegen(path: Path, most: int = 4_000) -> TrafficProfile:
    """Arrivals drawn from the rate and the family of each ten minutes (rate, cv, family, shape and scale)."""
    source, arrivals = Random(11), []
    for row in csv.reader(path.open()):
        start, rate = float(row[0]), float(row[1])
        if rate <= 0 or len(arrivals) >= most:
            continue
        shape, scale = float(row[4]), float(row[5])
        now = 0.0
        while now < 600:
            arrivals.append(start + now)
            gamma = row[3] == "Gamma"
            now += source.gammavariate(shape, scale) if gamma else source.weibullvariate(scale, shape)
    return TrafficProfile.from_requests(sorted(arrivals[:most]))


def samples() -> list[Path]:
    """Clients of two models."""
    return sorted((TRACES / "servegen").glob("*-[02]-trace.csv")) if HOME else []


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_where_nobody_waits_one_pass_over_the_gaps_is_what_playing_costs(path: Path) -> None:
    profile = servegen(path)
    services = [4.0] * len(profile.arrivals)
    found = levels(profile.arrivals, services, profile.horizon_s)
    for timeout in (5.0, 60.0, 300.0, 900.0):
        swept = gap_sweep(found, [timeout])[0]
        many = Policy(0, 2_000, timeout, whole_seconds=False)
        played = simulate(profile.arrivals, services, many, [Boot(0.0)], profile.horizon_s)
        assert swept.billed_s == pytest.approx(played.billed_s, rel=0.05)


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_break_even_timeouts_stay_within_twice_the_bound(path: Path) -> None:
    profile = servegen(path)
    services, boot = [4.0] * len(profile.arrivals), 20.0
    found = levels(profile.arrivals, services, profile.horizon_s)
    played = simulate(profile.arrivals, services, Policy(0, 60, boot), [Boot(boot)], profile.horizon_s)
    assert played.billed_s <= 2 * clairvoyant_s(found, boot)
