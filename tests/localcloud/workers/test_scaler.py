"""Both of RunPod's scaling rules, as numbers."""

import math
from dataclasses import replace

import pytest

from infra.localcloud.runpod.model import EndpointRecord, ScalerType
from infra.localcloud.runpod.workers.scaler import Load, look_again_s, surplus, wanted

DELAY = EndpointRecord(
    id="e",
    name="e",
    type="QUEUE",
    version=1,
    image="i",
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
COUNT = replace(DELAY, scaler=ScalerType.REQUEST_COUNT, scaler_value=4)
QUIET = Load(queued=0, in_progress=0, live=0, starting=0, head_wait_s=0.0, since_added_s=math.inf)


def load(**changes: float) -> Load:
    return replace(QUIET, **changes)


@pytest.mark.parametrize(
    ("seen", "workers"),
    [
        (load(), 0),
        (load(queued=1), 1),  # from zero at once
        (load(queued=1, live=1, head_wait_s=3.9), 1),
        (load(queued=1, live=1, head_wait_s=4.0), 2),
        (load(queued=9, live=1, head_wait_s=40.0), 2),  # one at a time
        (load(queued=9, live=2, head_wait_s=40.0, since_added_s=3.9), 2),
        (load(queued=9, live=2, head_wait_s=40.0, since_added_s=4.0), 3),
        (load(queued=9, live=3, head_wait_s=40.0), 3),  # max
        (load(queued=1, live=1, starting=1, head_wait_s=40.0), 1),  # one is on its way for it
        (load(queued=2, live=1, starting=1, head_wait_s=40.0), 2),
    ],
)
def test_queue_delay(seen, workers):
    assert wanted(DELAY, seen) == workers


@pytest.mark.parametrize(
    ("seen", "workers"),
    [
        (load(), 0),
        (load(queued=1), 1),
        (load(queued=4), 1),
        (load(queued=5), 2),
        (load(queued=4, in_progress=1, live=1), 2),
        (load(queued=99), 3),
        (load(live=2), 2),  # scaling down is the idle timeout's work
    ],
)
def test_request_count(seen, workers):
    assert wanted(COUNT, seen) == workers


def test_min_is_kept_and_max_is_never_passed():
    assert wanted(replace(DELAY, workers_min=2), load()) == 2
    assert wanted(replace(DELAY, workers_max=0), load(queued=5, head_wait_s=99)) == 0
    assert wanted(replace(DELAY, workers_max=1), load(live=2)) == 1


def test_what_is_above_min_may_end_when_idle():
    assert surplus(DELAY, load(live=2)) == 2
    assert surplus(replace(DELAY, workers_min=1), load(live=2)) == 1
    assert surplus(COUNT, load(live=3, queued=2, in_progress=3)) == 1
    assert surplus(COUNT, load(live=1, queued=99)) == 0


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        (load(live=1), None),
        (load(queued=1, live=1, head_wait_s=1.0), 3.0),
        (load(queued=2, live=2, head_wait_s=9.0, since_added_s=1.5), 2.5),
        (load(queued=1, live=1, starting=1, head_wait_s=1.0), None),
        (load(queued=9, live=3, head_wait_s=1.0), None),
    ],
)
def test_when_to_look_again(seen, seconds):
    assert look_again_s(DELAY, seen) == seconds
    assert look_again_s(COUNT, seen) is None
