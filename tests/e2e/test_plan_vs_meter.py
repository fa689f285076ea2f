"""The plan against the bill, once with real workers on wall time: the same requests, simulated and served."""

import time
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from infra.catalog import load
from infra.planning.run import Boot, Policy
from infra.planning.simulate import simulate
from tests.e2e.checkout import Checkout

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.campaign]

HANDLER = """
import time

class Model:
    def load(self, weights): ...
    def predict(self, request):
        time.sleep(request["seconds"])
        return {}
"""
PROGRAM = """
from components import ModelEndpoint, ModelImage, Scaler, Workers, export_endpoints

slow = ModelEndpoint(
    "slow", cloud="runpod", gpu="L4", image=ModelImage("slow", handler="stacks/slow"),
    workers=Workers(max=2), idle_timeout_s=4, scaler=Scaler.queue_delay(2),
)
export_endpoints(slow)
"""


def requests() -> tuple[list[float], list[float]]:
    """Bursts among silences: 40 requests in a minute and a half."""
    source, now, arrivals = Random(11), 0.0, []
    for _ in range(40):
        now += source.expovariate(1 / 0.4) if source.random() < 0.7 else source.expovariate(1 / 7)
        arrivals.append(now)
    return [at - arrivals[0] for at in arrivals], [round(source.uniform(0.2, 2.0), 2) for _ in arrivals]


def test_a_bill_is_within_a_tenth_of_its_plan(fresh: Checkout) -> None:
    (fresh.root / "stacks/slow").mkdir()
    (fresh.root / "stacks/slow/model.py").write_text(HANDLER)
    fresh.program(PROGRAM)
    fresh.up()
    [endpoint] = fresh.endpoints()
    arrivals, services = requests()
    path = f"/v2/{endpoint['id']}"
    one_start(fresh, endpoint["id"])  # the image is unpacked, which no later start does
    boot = one_start(fresh, endpoint["id"])
    before = billed(fresh)

    begun, jobs = time.monotonic(), []
    for at, seconds in zip(arrivals, services, strict=True):
        time.sleep(max(0.0, begun + at - time.monotonic()))
        jobs.append(fresh.api("POST", f"{path}/run", {"input": {"seconds": seconds}})["id"])
    done = [finished(fresh, f"{path}/status/{job}") for job in jobs]
    at_rest(fresh, endpoint["id"])
    served = [job["executionTime"] / 1000 for job in done]
    stop_s = float(load().scaler_defaults["runpod"]["stop_s"])
    policy = Policy(maximum=2, idle_timeout_s=4, rule="queue_delay", value=2, stop_s=stop_s)
    outcome = simulate(arrivals, served, policy, [Boot(boot)], arrivals[-1] + 60)
    usd = Decimal("0.00019") * Decimal(repr(outcome.billed_s))
    assert billed(fresh) - before == pytest.approx(usd, rel=Decimal("0.1"))


def one_start(checkout: Checkout, endpoint: str) -> float:
    """Seconds that a request waits for a worker to start. Ends when the worker is gone again."""
    job = checkout.api("POST", f"/v2/{endpoint}/run", {"input": {"seconds": 0}})["id"]
    waited = finished(checkout, f"/v2/{endpoint}/status/{job}")["delayTime"] / 1000
    at_rest(checkout, endpoint)
    return float(waited)


def at_rest(checkout: Checkout, endpoint: str) -> None:
    while checkout.api("GET", f"/v2/serverless/{endpoint}/workers")["workers"]:
        time.sleep(0.5)


def finished(checkout: Checkout, path: str) -> Any:
    while (job := checkout.api("GET", path))["status"] not in ("COMPLETED", "FAILED"):
        time.sleep(0.2)
    assert job["status"] == "COMPLETED"
    return job


def billed(checkout: Checkout) -> Decimal:
    records = checkout.api("GET", "/v2/billing/serverless?bucketSize=hour&lastN=2")["records"]
    return sum((Decimal(str(record["totalAmount"])) for record in records), Decimal(0))
