"""Requests from a file: CSV, JSONL or Parquet, one request a row.

A row has a time (seconds, or milliseconds and finer since some moment; or ISO 8601) and may have the seconds that it
was served for, and its tokens. Columns are found by name; a CSV without a header has the time first, then the seconds.
Tolerated and noted: rows out of order, silences, offsets (all is turned to UTC), times without an offset (read as UTC),
empty lines. Everything else is an error that names the line.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

from infra.spec.errors import PilotlightError

TIMES = (
    "timestamp",
    "time",
    "t",
    "ts",
    "at",
    "arrived_at",
    "arrival",
    "created_at",
    "gmt_create",
    "start",
    "date",
)
SERVICES = ("service_s", "duration_s", "duration", "seconds", "exec_time_seconds", "execution_s", "elapsed_s")
SERVICES_MS = ("service_ms", "duration_ms", "executiontime", "execution_time_ms", "elapsed_ms", "latency_ms")
INPUTS = ("input_tokens", "contexttokens", "prompt_tokens", "input_length")
OUTPUTS = ("output_tokens", "generatedtokens", "completion_tokens", "output_length")
# a number this big is no count of seconds since 1970: it counts something finer
_FINER = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


class TraceError(PilotlightError):
    """A file of requests that cannot be read as such."""


@dataclass(frozen=True)
class Requests:
    """In order of time, in seconds. `services` and the tokens are empty where the file has none."""

    times: list[float]
    services: list[float] = field(default_factory=list)
    input_tokens: list[float] = field(default_factory=list)
    output_tokens: list[float] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def read_trace(path: Path) -> Requests:
    """Raises `TraceError`."""
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                return _from_rows(path.name, _numbered(csv.reader(file)))
        if kind in (".jsonl", ".ndjson"):
            with path.open(encoding="utf-8-sig") as file:
                return _from_rows(path.name, _json_rows(path.name, file))
        if kind == ".parquet":
            return _from_rows(path.name, _parquet_rows(path))
    except OSError as error:
        raise TraceError(
            f"trace {path} cannot be read: {(error.strerror or str(error)).lower()}", fix="check `trace`"
        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise TraceError(
            f"trace {path.name} is not text", wanted="UTF-8 text", fix="save it as UTF-8"
        ) from None
    raise TraceError(
        f'trace {path.name} is of no known kind ("{kind}")',
        wanted="a name ending in .csv, .jsonl or .parquet",
    )


def _numbered(rows: Iterable[Sequence[str]]) -> Iterator[tuple[int, Sequence[Any]]]:
    return ((line, row) for line, row in enumerate(rows, 1) if any(cell.strip() for cell in row))


def _json_rows(name: str, lines: Iterable[str]) -> Iterator[tuple[int, Sequence[Any]]]:
    """The first row is the header, made from the keys of the first object."""
    keys: list[str] = []
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError:
            raise TraceError(f"{name}, line {line} is not JSON", wanted="one object a line") from None
        if not isinstance(row, dict):
            raise TraceError(
                f"{name}, line {line} is not an object", wanted='{"timestamp": …, "duration_s": …}'
            )
        if not keys:
            keys = list(row)
            yield line, keys
        yield line, [row.get(key) for key in keys]


def _parquet_rows(path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    try:
        from pyarrow import parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise TraceError(
            f"trace {path.name} is Parquet, and pyarrow is not installed",
            fix="install pyarrow, or save the trace as CSV",
        ) from None
    try:
        table = parquet.read_table(path)
    except OSError:
        raise
    except Exception as error:
        raise TraceError(f"trace {path.name} is not Parquet: {error}") from None
    columns = [column.to_pylist() for column in table.columns]
    header = iter([(0, list(table.column_names))])
    return chain(header, enumerate(map(list, zip(*columns, strict=True)), 1))


def _from_rows(name: str, rows: Iterator[tuple[int, Sequence[Any]]]) -> Requests:
    first = next(rows, None)
    if first is None:
        raise TraceError(f"trace {name} has no requests", wanted="at least two")
    where, header = _columns(name, first[1])
    if not header:
        rows = chain([first], rows)
    time_of = _Clock(name)
    times: list[float] = []
    rest: dict[str, list[float]] = {what: [] for what in where if what != "time"}
    at, others = where["time"], [(what, where[what], rest[what]) for what in rest]
    for line, row in rows:
        try:
            times.append(time_of(row[at]))
            for what, column, values in others:
                values.append(_number(row[column], what))
        except (ValueError, TypeError, IndexError) as error:
            said = "too few columns" if isinstance(error, IndexError) else str(error)
            raise TraceError(
                f"trace {name}, line {line}: {said}", fix="mend the line or leave it out"
            ) from None
    if len(times) < 2:
        raise TraceError(
            f"trace {name} has {len(times) or 'no'} request{'s' * (len(times) != 1)}",
            wanted="at least two: one says nothing of how often they come",
            fix="use a longer trace, or requests_per_hour",
        )
    return _ordered(name, times, rest, time_of.notes())


def _columns(name: str, row: Sequence[Any]) -> tuple[dict[str, int], bool]:
    """Where each thing is, and whether the row is a header."""
    names = [str(cell).strip().lower() for cell in row]
    where: dict[str, int] = {}
    for what, known in (
        ("time", TIMES),
        ("service", SERVICES),
        ("service_ms", SERVICES_MS),
        ("input", INPUTS),
        ("output", OUTPUTS),
    ):
        found = next((names.index(one) for one in known if one in names), None)
        if found is None and what == "time":
            found = next((names.index(f"{one}_ms") for one in known if f"{one}_ms" in names), None)
        if found is not None:
            where[what] = found
    if "service" in where:
        where.pop("service_ms", None)
    if "time" in where:
        return where, True
    try:
        _Clock(name)(row[0])
    except (ValueError, TypeError):
        raise TraceError(
            f"trace {name} has no column with the time of a request; it has: {', '.join(names)}",
            wanted=f"one called {', '.join(TIMES[:4])} …",
        ) from None
    return ({"time": 0, "service": 1} if len(row) > 1 else {"time": 0}), False


class _Clock:
    """Turns what a trace says of a time into seconds; knows afterwards what it had to assume."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.naive = self.zoned = 0

    def __call__(self, value: Any) -> float:
        try:
            seconds = float(value)
        except (ValueError, TypeError):
            return self._iso(value)
        if not isfinite(seconds):
            raise ValueError(f"the time is {value}")
        for least, parts in _FINER:
            if seconds >= least:
                return seconds / parts
        return seconds

    def _iso(self, value: Any) -> float:
        moment = value if isinstance(value, datetime) else None
        if moment is None:
            try:
                moment = datetime.fromisoformat(str(value).strip())
            except ValueError:
                raise ValueError(f"{str(value)[:40]!r} is no time; wanted: seconds, or ISO 8601") from None
        if moment.tzinfo is None:
            self.naive += 1
            moment = moment.replace(tzinfo=UTC)
        else:
            self.zoned += 1
        return moment.timestamp()

    def notes(self) -> list[str]:
        if self.naive and self.zoned:
            raise TraceError(
                f"trace {self._name} has {self.naive} times without an offset and {self.zoned} with one",
                wanted="all with an offset, or none (then UTC)",
                fix="write them all in UTC",
            )
        return ["times without an offset were read as UTC"] if self.naive else []


def _number(value: Any, what: str) -> float:
    if value is None or value == "":
        raise ValueError(f"no {_WORDS[what]}")
    number = float(value)
    if not isfinite(number) or number < 0:
        raise ValueError(f"the {_WORDS[what]} is {value}; wanted: 0 or more")
    return number


_WORDS = {
    "service": "duration",
    "service_ms": "duration",
    "input": "number of input tokens",
    "output": "number of output tokens",
}


def _ordered(name: str, times: list[float], rest: dict[str, list[float]], notes: list[str]) -> Requests:
    if any(map(float.__gt__, times, times[1:])):
        order = sorted(range(len(times)), key=times.__getitem__)
        moved = sum(index != place for place, index in enumerate(order))
        times = [times[index] for index in order]
        rest = {what: [values[index] for index in order] for what, values in rest.items()}
        notes.append(f"{moved} of {len(times)} rows were out of order and have been sorted")
    if times[0] == times[-1]:
        raise TraceError(
            f"all {len(times)} requests of trace {name} come at the same moment",
            wanted="a span of time: without it there is no rate",
        )
    services = rest.get("service") or [value / 1000 for value in rest.get("service_ms", ())]
    return Requests(times, services, rest.get("input", []), rest.get("output", []), tuple(notes))
