"""When schedules come next."""

from datetime import UTC, datetime

import pytest
from modal_proto import api_pb2

from infra.localcloud.modal.schedules.cron import parse
from infra.localcloud.modal.schedules.times import check, next_run


def at(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def shown(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def period(**parts: float) -> api_pb2.Schedule:
    return api_pb2.Schedule(period=api_pb2.Schedule.Period(**parts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", "2026-11-24 10:31:00"),
        ("5 4 * * *", "2026-11-25 04:05:00"),
        ("*/20 * * * *", "2026-11-24 10:40:00"),
        ("7-59/20 * * * *", "2026-11-24 10:47:00"),
        ("30 10 * * *", "2026-11-25 10:30:00"),
        ("0 9 * * 4", "2026-11-26 09:00:00"),
        ("0 9 * * mon-wed", "2026-11-25 09:00:00"),
        ("0 0 * * 7", "2026-11-29 00:00:00"),
        ("0 0 * * 0", "2026-11-29 00:00:00"),
        ("0 0 1 jan *", "2027-01-01 00:00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00:00"),
        ("15,45 10,12 * * *", "2026-11-24 10:45:00"),
        ("0 0 13 * 5", "2026-11-27 00:00:00"),  # either the 13th or a Friday
        ("0 0 13 * *", "2026-12-13 00:00:00"),
        ("5/30 * * * *", "2026-11-24 10:35:00"),
    ],
)
def test_a_cron_expression_comes_next_at(expression: str, expected: str) -> None:
    assert shown(parse(expression).after(at("2026-11-24T10:30:00"))) == expected


def test_a_time_zone_follows_its_clocks() -> None:
    nine = parse("0 9 * * *", "Europe/Berlin")
    assert shown(nine.after(at("2026-03-28T12:00"))) == "2026-03-29 07:00:00"
    assert shown(nine.after(at("2026-03-27T12:00"))) == "2026-03-28 08:00:00"


def test_an_hour_that_clocks_skip_runs_once_after_the_gap() -> None:
    cron = parse("30 2 * * *", "Europe/Berlin")
    first = cron.after(at("2026-03-28T12:00"))
    assert first is not None
    assert shown(first) == "2026-03-29 01:30:00"
    assert shown(cron.after(first)) == "2026-03-30 00:30:00"


def test_an_hour_that_comes_twice_runs_twice_only_where_every_hour_does() -> None:
    always, nightly = parse("30 * * * *", "Europe/Berlin"), parse("30 2 * * *", "Europe/Berlin")
    first = always.after(at("2026-10-25T00:00"))
    assert first is not None
    assert shown(first) == "2026-10-25 00:30:00"
    assert shown(always.after(first)) == "2026-10-25 01:30:00"
    assert shown(nightly.after(at("2026-10-25T00:00"))) == "2026-10-25 00:30:00"
    assert shown(nightly.after(at("2026-10-25T00:30"))) == "2026-10-26 01:30:00"


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("* * * *", "has 4"),
        ("61 * * * *", "no minute"),
        ("* 24 * * *", "no hour"),
        ("* * 0 * *", "no day of month"),
        ("* * * 13 *", "no month"),
        ("* * * * 8", "no day of week"),
        ("*/0 * * * *", "no minute"),
        ("5-1 * * * *", "no minute"),
        ("1,,2 * * * *", "no minute"),
        ("x * * * *", "no minute"),
        ("0 0 30 2 *", "never comes"),
    ],
)
def test_what_is_no_cron_expression_says_why(expression: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(expression)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus'"):
        parse("* * * * *", "Mars/Olympus")


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        (period(seconds=5), "2026-01-31T12:00:00", "2026-01-31 12:00:05"),
        (period(seconds=5), "2026-01-31T12:00:07", "2026-01-31 12:00:10"),
        (period(seconds=5), "2026-01-31T12:00:10", "2026-01-31 12:00:15"),
        (period(minutes=15, seconds=1.5), "2026-01-31T12:00:00", "2026-01-31 12:15:01"),
        (period(hours=4), "2026-02-01T12:01", "2026-02-01 16:00:00"),
        (period(days=1), "2026-03-01T11:59:59", "2026-03-01 12:00:00"),
        (period(weeks=1), "2026-01-31T12:00", "2026-02-07 12:00:00"),
        (period(months=1), "2026-01-31T12:00", "2026-02-28 12:00:00"),
        (period(months=1), "2026-02-28T12:00", "2026-03-31 12:00:00"),
        (period(months=1, days=1), "2026-01-31T12:00", "2026-03-01 12:00:00"),
        (period(years=1), "2030-06-01T00:00", "2031-01-31 12:00:00"),
    ],
)
def test_a_period_counts_from_the_deployment(schedule: api_pb2.Schedule, now: str, expected: str) -> None:
    assert shown(next_run(schedule, at("2026-01-31T12:00"), at(now))) == expected


def test_a_period_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 1 second, not 0\.5"):
        check(period(seconds=0.5))
    with pytest.raises(ValueError, match="at least 1 second, not 0"):
        check(period())
    check(period(months=1))
    check(api_pb2.Schedule())


def test_a_clock_that_stands_before_the_deployment_waits_for_the_first_period() -> None:
    assert shown(next_run(period(seconds=5), at("2026-01-31T12:00"), at("2026-01-30T12:00"))) == (
        "2026-01-31 12:00:05"
    )
