"""Traffic as it can be played: from a rate, from gap quantiles, from requests, and back."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from infra.catalog import load
from infra.planning.policies import idle_caps
from infra.planning.profile import TrafficProfile
from infra.planning.synthetic import profile_of
from infra.planning.trace import TraceError
from infra.spec.declarations import SpecError, Traffic, parse

HOURS = [[600.0, 1800.0, 3000.0]] * 8 + [[10.0, 60.0, 110.0]] * 16


def test_a_bare_rate_is_kept_exactly_and_called_a_guess() -> None:
    for rate in (0.001, 3.0, 500.0, 1e6):
        profile = profile_of(Traffic(requests_per_hour=rate, service_s=2), None, 3_000)
        assert profile.requests_per_hour == pytest.approx(rate, rel=0.01)
        assert profile.basis == "rate (a guess)"
        assert profile.interval == (0.4, 2.5)
        assert len(profile.arrivals) <= 3_000
        assert profile.arrivals[-1] <= profile.horizon_s


def test_gap_quantiles_by_hour_give_busy_and_quiet_hours() -> None:
    profile = profile_of(Traffic(gap_quantiles_s=HOURS, service_quantiles_s=[1, 3]), None, 100_000)
    night = sum(at % 86_400 < 8 * 3600 for at in profile.arrivals) / 30
    day = len(profile.arrivals) / 30 - night
    # gaps of 30 minutes on average for 8 hours, of 1 minute for 16
    assert night == pytest.approx(16, rel=0.15)
    assert day == pytest.approx(960, rel=0.05)
    assert profile.services is not None
    assert sum(profile.services) / len(profile.services) == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("most", [100, 1_000, 10_000])
def test_more_requests_than_may_be_played_keep_their_rate(most: int) -> None:
    profile = profile_of(Traffic(gap_quantiles_s=[[0.0, 2.0]], service_s=1), None, most)
    assert profile.requests_per_hour == pytest.approx(3600, rel=0.3 if most == 100 else 0.1)


def test_growth_and_interval_are_what_the_team_says() -> None:
    plain = profile_of(Traffic(requests_per_hour=10, service_s=1), None, 500)
    grown = profile_of(Traffic(requests_per_hour=10, service_s=1, growth=1.5, interval=(0.9, 1.2)), None, 500)
    assert grown.requests_per_hour == pytest.approx(1.5 * plain.requests_per_hour)
    assert grown.interval == (0.9, 1.2)


def test_requests_stand_for_a_little_more_than_their_span() -> None:
    profile = TrafficProfile.from_requests([30.0, 10.0, 20.0])
    assert list(profile.arrivals) == [0.0, 10.0, 20.0]
    assert profile.horizon_s == 30.0
    assert profile.requests_per_hour == 360
    assert profile.notes == ("the requests cover 0.0 hours: a month is taken to be like them",)
    assert TrafficProfile.from_requests([0.0, 90_000.0]).notes == ()


@pytest.mark.parametrize(
    "requests", [[], [1.0], [5.0, 5.0], [1.0, float("nan")], [(1.0, -2.0), (2.0, 1.0)], [1.0, float("inf")]]
)
def test_requests_that_say_nothing_are_refused(requests: list[float | tuple[float, float]]) -> None:
    with pytest.raises(TraceError):
        TrafficProfile.from_requests(requests)


def test_a_sample_keeps_rate_and_burstiness(made: Callable[..., tuple[list[float], list[float]]]) -> None:
    arrivals, services = made(20_000, 0.1, 2.0)
    bursty = [
        at - at % 60 + (at % 60) / 30 for at in arrivals
    ]  # all of a minute within its first two seconds
    profile = TrafficProfile.from_requests(list(zip(bursty, services, strict=True)))
    sample = profile.sampled(2_000)
    assert sample.requests_per_hour == pytest.approx(profile.requests_per_hour, rel=0.1)
    assert "1,992 of 20,000 requests" in sample.notes[-1]
    short = sum(b - a < 2 for a, b in pairwise(sample.arrivals))
    assert short / len(sample.arrivals) == pytest.approx(
        sum(b - a < 2 for a, b in pairwise(bursty)) / len(bursty), rel=0.05
    )


def test_a_profile_written_down_says_the_same_again(
    made: Callable[..., tuple[list[float], list[float]]],
) -> None:
    arrivals, services = made(20_000, 0.01, 5.0)
    profile = TrafficProfile.from_requests(list(zip(arrivals, services, strict=True)))
    again = profile_of(profile.as_traffic(points=17), None, 40_000)
    assert again.requests_per_hour == pytest.approx(profile.requests_per_hour, rel=0.08)
    assert again.services is not None
    assert sum(again.services) / len(again.services) == pytest.approx(5.0, rel=0.1)


def test_hours_that_nobody_watched_are_not_silent() -> None:
    # three hours at one request a minute, from 10:00 on; the last of them with none for its last half
    moments = [36_000.0 + 60 * minute for minute in range(150)]
    rows = (
        TrafficProfile.from_requests([*moments, 36_000.0 + 3 * 3600 - 1]).as_traffic().gap_quantiles_s or []
    )
    assert rows[3] != [3600.0] * 9
    assert rows[10][4] == 60.0
    # a day with one busy hour: the others were watched and silent
    quiet = (
        TrafficProfile.from_requests([*moments[:60], 36_000.0 + 86_400]).as_traffic().gap_quantiles_s or []
    )
    assert quiet[3][0] > 3600


@pytest.mark.parametrize("most", [37, 1_000, 33_333])
@pytest.mark.parametrize("gap", [0.0371, 0.113, 7.77])
def test_any_rate_fits_any_number_of_requests(most: int, gap: float) -> None:
    profile = profile_of(Traffic(gap_quantiles_s=[[gap * 0.9, gap * 1.1]] * 24, service_s=1), None, most)
    assert profile.requests_per_hour == pytest.approx(3600 / gap, rel=0.1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gap_quantiles_s": [[0.0, 0.0]]}, "all zeros"),
        ({"gap_quantiles_s": [[]]}, "empty"),
        ({"gap_quantiles_s": [[1.0, 2.0]] * 7}, "7 rows"),
        ({"gap_quantiles_s": [[2.0, 1.0]]}, "not ascending"),
        ({"gap_quantiles_s": [[1.0, float("inf")]]}, "finite"),
        ({"gap_quantiles_s": [[-1.0, 2.0]]}, "greater than or equal to 0"),
        ({"requests_per_hour": 0}, "greater than 0"),
        ({"requests_per_hour": float("nan")}, "finite"),
        ({"requests_per_hour": 5, "trace": "a.csv"}, "requests_per_hour and trace given"),
        ({"requests_per_hour": 5, "interval": (2, 3)}, "factors around 1"),
        ({"requests_per_hour": 5, "service_s": 1, "service_quantiles_s": [1]}, "one of them"),
        ({"requests_per_hour": 5, "growth": 0}, "greater than 0"),
    ],
)
def test_traffic_that_cannot_be_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse(Traffic, values, subject="traffic")


def test_what_runpod_lowers_by_itself_follows_from_the_silences() -> None:
    day = 86_400.0
    assert idle_caps([0.0, 2 * day, 6 * day, 14 * day], "runpod", load()) == [(5 * day, 2), (13 * day, 0)]
    assert idle_caps([0.0, 14 * day], "modal", load()) == []
