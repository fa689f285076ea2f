"""Cron expressions of five fields: when they come next. Pure; times are seconds since the epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
FIELDS: tuple[tuple[str, int, int, Sequence[str]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 7, DAYS),
)
# The longest that a day may be away: 29 February over a century that is no leap year.
HORIZON_DAYS = 366 * 8 + 1


@dataclass(frozen=True)
class Cron:
    """The values of each field that fit. Sunday is 0. Of two restricted fields for days, one has to fit."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_hour: bool
    any_day: bool
    any_weekday: bool
    zone: ZoneInfo

    def after(self, now: float) -> float | None:
        """The first time later than `now`; None if there is none."""
        today = datetime.fromtimestamp(now, self.zone).date()
        for offset in range(HORIZON_DAYS):
            day = today + timedelta(days=offset)
            if self._fits(day) and (times := [at for at in self._times(day) if at > now]):
                return min(times)
        return None

    def _fits(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_month and by_week
        return by_month or by_week

    def _times(self, day: date) -> list[float]:
        """An hour that clocks skip is run after the gap; one that comes twice is run twice only where every hour is."""
        return [
            datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone, fold=fold).timestamp()
            for hour in self.hours
            for minute in self.minutes
            for fold in ((0, 1) if self.any_hour else (0,))
        ]


def parse(text: str, timezone: str = "UTC") -> Cron:
    """ValueError says what is wrong."""
    words = text.lower().split()
    if len(words) != len(FIELDS):
        names = ", ".join(name for name, *_ in FIELDS)
        raise ValueError(f"a cron expression has five fields ({names}), and {text!r} has {len(words)}")
    minutes, hours, days, months, weekdays = (
        _field(word, *field) for word, field in zip(words, FIELDS, strict=True)
    )
    try:
        zone = ZoneInfo(timezone or "UTC")
    except (LookupError, ValueError, OSError):
        raise ValueError(f"there is no time zone {timezone!r}") from None
    cron = Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        any_hour=words[1] == "*",
        any_day=words[2].startswith("*"),
        any_weekday=words[4].startswith("*"),
        zone=zone,
    )
    if cron.after(0.0) is None:
        raise ValueError(f"{text!r} names a day that never comes")
    return cron


def _field(word: str, name: str, low: int, high: int, names: Sequence[str]) -> frozenset[int]:
    values: set[int] = set()
    for part in word.split(","):
        span, stepped, step_text = part.partition("/")
        step = int(step_text) if step_text.isdigit() else 0 if stepped else 1
        first, ranged, last = span.partition("-")
        start = low if span == "*" else _number(first, low, names)
        end = (
            high
            if span == "*" or (stepped and not ranged)
            else _number(last, low, names)
            if ranged
            else start
        )
        if start is None or end is None or step < 1 or not low <= start <= end <= high:
            raise ValueError(f"{part!r} is no {name} of a cron expression ({low} to {high})")
        values.update(range(start, end + 1, step))
    return frozenset(values)


def _number(text: str, low: int, names: Sequence[str]) -> int | None:
    if text in names:
        return names.index(text) + low
    return int(text) if text.isdigit() else None
