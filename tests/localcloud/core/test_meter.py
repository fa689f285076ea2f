"""The meter: whole seconds, each run once, running ones included."""

from decimal import Decimal

import pytest

from infra.localcloud.core.clock import ManualClock
from infra.localcloud.core.meter import Spend, SqlMeter
from infra.localcloud.core.store import Store
from infra.localcloud.runpod.model import Usage


def price(gpu_type_id: str | None, gpu_count: int, vcpu: int) -> Decimal:
    return Decimal("0.0002") * gpu_count if gpu_type_id else Decimal("0.00001") * vcpu


@pytest.fixture
def meter(store: Store) -> SqlMeter:
    return SqlMeter(store, ManualClock(), price)


def run(start: float, stop: float, *, worker: str = "w", endpoint: str = "e", gpus: int = 1) -> Usage:
    return Usage(endpoint, worker, "NVIDIA L4" if gpus else None, gpus, 4, start, stop)


@pytest.mark.parametrize(
    ("stop", "seconds"),
    [(100.0, 0), (100.001, 1), (101.0, 1), (101.0000001, 1), (101.5, 2), (103.0, 3), (99.0, 0)],
)
def test_started_seconds_count_in_full(meter: SqlMeter, stop: float, seconds: int) -> None:
    meter.record(run(100.0, stop))
    assert meter.spend() == {"e": Spend(seconds, seconds * Decimal("0.0002"))}


def test_gpus_and_vcpus_are_priced(meter: SqlMeter) -> None:
    meter.record(run(0, 10, gpus=2))
    meter.record(run(0, 10, worker="cpu", endpoint="on-cpu", gpus=0))
    spend = meter.spend()
    assert spend["e"].usd == Decimal("0.004")
    assert spend["on-cpu"].usd == Decimal("0.0004")


def test_rounding_is_per_run_not_per_endpoint(meter: SqlMeter) -> None:
    for n in range(10):
        meter.record(run(0, 0.1, worker=f"w{n}"))
    assert meter.spend()["e"].seconds == 10


def test_a_heartbeat_extends_a_run_and_never_shortens_it(meter: SqlMeter) -> None:
    for stop in (10, 20, 15):
        meter.record(run(0, stop))
    assert meter.spend()["e"].seconds == 20


def test_what_goes_on_counts_once(meter: SqlMeter) -> None:
    meter.record(run(0, 10))
    meter.watch(lambda: [run(0.25, 30), run(20, 30, worker="new")])
    assert meter.spend()["e"].seconds == 30 + 10


def test_only_runs_of_the_time_asked_for(meter: SqlMeter) -> None:
    meter.record(run(0, 9.5, worker="before"))
    meter.record(run(5, 15, worker="into"))
    meter.record(run(20, 25, worker="after"))
    runs = {found.worker_id: found for found in meter.runs(9.75, 20)}
    assert set(runs) == {"before", "into"}
    assert runs["before"].usd_between(9.75, 20) == Decimal("0.25") * Decimal("0.0002")
    assert runs["into"].seconds_between(9.75, 20) == Decimal("5.25")
    assert runs["into"].seconds_between(100, 200) == 0


def test_usage_survives_a_restart(store: Store, meter: SqlMeter) -> None:
    meter.record(run(0, 10))
    assert SqlMeter(store, ManualClock(), price).spend() == meter.spend()
