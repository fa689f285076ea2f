import random
import statistics
from dataclasses import replace

import pytest

from infra.localcloud.daemon.coldstart import runpod_boot
from infra.localcloud.runpod.model import EndpointRecord, ScalerType

RECORD = EndpointRecord(
    id="abcdefghij0123",
    name="search",
    type="QUEUE",
    version=1,
    image="x",
    args="",
    env={},
    scaler=ScalerType.QUEUE_DELAY,
    scaler_value=4.0,
    workers_min=0,
    workers_max=3,
    idle_timeout_s=5,
    timeout_ms=0,
    flashboot="OFF",
)


@pytest.mark.parametrize(("flashboot", "median", "p90"), [("OFF", 22.7, 42.0), ("FLASHBOOT", 1.45, 2.2)])
def test_starts_take_as_long_as_published(flashboot: str, median: float, p90: float) -> None:
    draw = runpod_boot(random.Random(1))
    record = replace(RECORD, flashboot=flashboot)
    drawn = [draw(record) for _ in range(20_000)]
    deciles = statistics.quantiles(drawn, n=10)
    assert deciles[4] == pytest.approx(median, rel=0.05)
    assert deciles[8] == pytest.approx(p90, rel=0.07)
    assert min(drawn) > 0


def test_flashboot_misses_now_and_then() -> None:
    draw = runpod_boot(random.Random(1))
    slow = sum(draw(replace(RECORD, flashboot="FLASHBOOT")) > 10 for _ in range(10_000))
    assert 0.03 < slow / 10_000 < 0.06
