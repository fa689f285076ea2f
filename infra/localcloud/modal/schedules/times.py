"""When a schedule of Modal comes next. Pure; times are seconds since the epoch, days are those of UTC."""

import calendar
import math
from datetime import UTC, datetime

from modal_proto import api_pb2

from .cron import parse

LEAST_S = 1.0  # a shorter period would only fill the queue


def check(schedule: api_pb2.Schedule) -> None:
    """ValueError says what is wrong."""
    if schedule.HasField("cron"):
        parse(schedule.cron.cron_string, schedule.cron.timezone)
    elif schedule.HasField("period") and not _months(schedule.period) and _seconds(schedule.period) < LEAST_S:
        raise ValueError(f"a period has at least {LEAST_S:g} second, not {_seconds(schedule.period):g}")


def next_run(schedule: api_pb2.Schedule, anchor: float, now: float) -> float | None:
    """The first time later than `now`. Periods count from `anchor`, when the app was deployed."""
    if schedule.HasField("cron"):
        return parse(schedule.cron.cron_string, schedule.cron.timezone).after(now)
    if not schedule.HasField("period"):
        return None
    months, seconds = _months(schedule.period), _seconds(schedule.period)
    if not months:
        if seconds < LEAST_S:
            return None
        return anchor + max(1, math.floor((now - anchor) / seconds) + 1) * seconds
    runs = 1
    while (due := _add_months(anchor, runs * months) + runs * seconds) <= now:
        runs += 1
    return due


def _months(period: api_pb2.Schedule.Period) -> int:
    return 12 * period.years + period.months


def _seconds(period: api_pb2.Schedule.Period) -> float:
    days = 7 * period.weeks + period.days
    return 86400 * days + 3600 * period.hours + 60 * period.minutes + period.seconds


def _add_months(start: float, months: int) -> float:
    """The same day and time of a later month, or its last day where it is shorter."""
    day = datetime.fromtimestamp(start, UTC)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last)).timestamp()
