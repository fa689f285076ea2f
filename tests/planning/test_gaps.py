"""All idle timeouts from one pass, against playing each; and the bound of one who knows the future."""

from collections.abc import Callable

import pytest

from infra.planning.engine import run_single
from infra.planning.gaps import clairvoyant_s, gap_sweep, levels
from infra.planning.run import Boot, Policy

Made = Callable[..., tuple[list[float], list[float]]]


def test_levels_by_hand() -> None:
    # two at once from 1 to 2, then silence from 4 to 10
    found = levels([0.0, 1.0, 10.0], [4.0, 1.0, 1.0], 20.0)
    assert found.gaps == [[6.0], []]
    assert found.busy_s == [5.0, 1.0]
    assert found.work_s == 6.0
    five, seven = gap_sweep(found, [5.0, 7.0], boot_s=2.0)
    # level 1: busy 5, boots 2 x 2, idle 5 and 5; level 2: busy 1, boot 2, idle 5
    assert (five.billed_s, five.cold) == (5 + 4 + 10 + 1 + 2 + 5, 3)
    assert (seven.billed_s, seven.cold) == (5 + 2 + 6 + 7 + 1 + 2 + 7, 2)
    # it bridges nothing that costs more than a boot
    assert clairvoyant_s(found, 2.0) == 6 + 2 + 2 * 2


def test_without_boots_to_wait_for_the_sweep_is_exact(made: Made) -> None:
    arrivals, services = made(5_000, 0.05, 10.0)
    horizon = arrivals[-1] + 100
    found = levels(arrivals, services, horizon)
    for timeout, minimum in ((1.0, 0), (30.0, 0), (300.0, 0), (30.0, 1), (30.0, 2)):
        swept = gap_sweep(found, [timeout], minimum=minimum)[0]
        policy = Policy(minimum, 50, timeout, whole_seconds=False)
        played = run_single(arrivals, services, policy, [Boot(0.0)], horizon)
        # which of two idle workers takes a request differs, and with it whose gap it is
        assert played.billed_s == pytest.approx(swept.billed_s, rel=0.02)


@pytest.mark.parametrize("timeout", [5.0, 60.0, 300.0])
def test_with_boots_it_stays_within_a_few_percent(made: Made, timeout: float) -> None:
    arrivals, services = made(20_000, 0.0135, 10.0)
    swept = gap_sweep(levels(arrivals, services, arrivals[-1]), [timeout], boot_s=22.0)[0]
    played = run_single(arrivals, services, Policy(0, 20, timeout), [Boot(22.0)], arrivals[-1])
    assert swept.billed_s == pytest.approx(played.billed_s, rel=0.04)


def test_keeping_a_worker_as_long_as_it_boots_costs_at_most_twice_the_bound(made: Made) -> None:
    for rate in (0.001, 0.0135, 0.1):
        for boot in (2.0, 22.0, 120.0):
            arrivals, services = made(4_000, rate, 10.0)
            found = levels(arrivals, services, arrivals[-1])
            bound = clairvoyant_s(found, boot)
            swept = gap_sweep(found, [boot], boot_s=boot)[0]
            assert bound <= swept.billed_s <= 2 * bound


def test_the_bound_lies_below_every_timeout_and_above_the_work(made: Made) -> None:
    arrivals, services = made(4_000, 0.02, 10.0)
    found = levels(arrivals, services, arrivals[-1])
    bound = clairvoyant_s(found, 22.0)
    assert found.work_s <= bound
    assert all(bound <= one.billed_s + 1e-6 for one in gap_sweep(found, range(0, 3600, 7), boot_s=22.0))


def test_nothing_in_nothing_out() -> None:
    found = levels([], [], 10.0)
    assert gap_sweep(found, [1.0])[0].billed_s == 0
    assert clairvoyant_s(found, 5.0) == 0
