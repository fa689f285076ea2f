"""`pilotlight traffic`: an endpoint's own record of its requests, as the `traffic` of a declaration."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.cli.audit_stack import Held
    from infra.cli.dev_state import Row
    from infra.modal.client import ModalClient
    from infra.spec.expectations import Traffic

_LONGEST = timedelta(days=31)
_POINTS = 9
_EXECUTION = "Execution time (s)"


class TrafficUnknown(PilotlightError):
    """The cloud has no record that a profile could be made of."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "traffic",
        help="make a traffic profile for the plan from an endpoint's own record, or from a log",
        epilog="Exit codes: 0 written, 1 an error, 2 usage. What each cloud tells: docs/after-the-merge.md.",
    )
    parser.add_argument("name", help="the endpoint's name, as the program declares it")
    parser.add_argument("-s", "--stack", default="dev", help="the stack (default: dev)")
    parser.add_argument(
        "--from",
        dest="log",
        metavar="FILE",
        help="a CSV, JSONL or Parquet file with one request a row: a gateway's log, a trace",
    )
    parser.add_argument("--last", default="7d", help="how far back to ask the cloud: 12h, 7d (default: 7d)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write to this file; .json gets JSON, others YAML"
    )


def run(args: argparse.Namespace) -> int:
    from infra.cli import spend
    from infra.kit.local import find_root

    if args.log is not None:
        traffic, notes = from_log(Path(args.log))
    else:
        last = spend.duration(args.last, _LONGEST)
        traffic, notes = asyncio.run(_from_cloud(find_root(None), args.stack, args.name, last))
    text = as_text(traffic, notes, is_json=bool(args.output) and Path(args.output).suffix == ".json")
    if args.output:
        _write(Path(args.output), text)
    else:
        print(text, end="")
    for note in notes:
        print(note, file=sys.stderr)
    return 0


def from_log(path: Path) -> "tuple[Traffic, list[str]]":
    """Gap quantiles by hour of the day, and of the seconds served where the file has them. Raises TraceError."""
    from infra.planning.profile import TrafficProfile
    from infra.planning.trace import read_trace

    profile = TrafficProfile.from_requests(read_trace(path))
    hours = profile.horizon_s / 3600
    said = f"{len(profile.arrivals):,} requests over {hours:,.1f} hours of {path.name}"
    return profile.as_traffic(), [said, *profile.notes]


def from_counts(count: int, hours: float, percentiles: Sequence[tuple[float, float]]) -> "Traffic":
    """A mean rate is all that a count allows: the plan calls it a guess. `percentiles`: (share, seconds) of the time served.

    Raises TrafficUnknown.
    """
    from infra.spec.expectations import Traffic

    if count < 1 or hours <= 0:
        raise TrafficUnknown(
            "the endpoint answered no request in that time",
            fix="ask for a longer time with --last, or give a log with --from",
        )
    served = _evenly(percentiles)
    return Traffic(
        requests_per_hour=round(count / hours, 4),
        service_quantiles_s=served if served and served[-1] > 0 else None,
    )


def as_text(traffic: "Traffic", notes: Sequence[str], *, is_json: bool) -> str:
    data = traffic.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    if is_json:
        return json.dumps(data, indent=2) + "\n"
    import yaml

    # A line break in a note would begin a line that is no comment.
    head = "".join(f"# {' '.join(note.split())}\n" for note in notes)
    return head + yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=110)


async def _from_cloud(root: Path, stack: str, name: str, last: timedelta) -> "tuple[Traffic, list[str]]":
    from infra.cli import audit_stack
    from infra.cli.dev_state import MODAL

    state = audit_stack.held(root, stack)
    row = _row(state, name)
    if row.type != MODAL:
        raise TrafficUnknown(
            f"{name!r} is on RunPod, which keeps no record of when requests came: a job's result has how long it waited and ran, "
            "/health only counts, and both forget",
            wanted="the moments of requests",
            fix=f"log them where they pass, and `pilotlight traffic {name} --from FILE`",
        )
    clouds = await audit_stack.connect(root, state)
    try:
        if not clouds.modal:
            raise TrafficUnknown(f"Modal cannot be asked: {clouds.left_out.get('modal')}")
        return await _from_modal(clouds.modal[0], row, state, last)
    finally:
        await clouds.close()


async def _from_modal(
    client: "ModalClient", row: "Row", state: "Held", last: timedelta
) -> "tuple[Traffic, list[str]]":
    """Of its functions the one that was called most: its own count and percentiles, as far back as Modal keeps them."""
    from google.protobuf.timestamp_pb2 import Timestamp

    now = datetime.now(UTC)
    since = max(now - last, state.made.get(row.urn, now - last))
    best: tuple[int, str, list[tuple[float, float]]] = (0, "", [])
    for function, id in sorted((row.outputs.get("functionIds") or {}).items()):
        answer = await client.rpc(
            "FunctionGetTimeRangeStats",
            f"read the figures of {function}",
            function_id=id,
            since=Timestamp(seconds=int(since.timestamp())),
            until=Timestamp(seconds=int(now.timestamp()) + 1),
            rollup=True,
        )
        count = answer.input_success_count + answer.input_failure_count + answer.input_timeout_count
        points = (
            answer.input_percentile_stats[_EXECUTION].percentiles
            if _EXECUTION in answer.input_percentile_stats
            else ()
        )
        shares = [(point.percentile_basis_points / 10_000, point.value) for point in points]
        best = max(best, (count, function, shares), key=lambda one: one[0])
    count, function, shares = best
    hours = (now - since).total_seconds() / 3600
    notes = [
        f"{count:,} calls of {function or row.name} in {hours:,.1f} hours, from Modal's own figures",
        "Modal tells how many, not when: this is a mean rate, which the plan calls a guess. A log with --from is better",
    ]
    if hours < 24:
        notes.append(f"the figures cover {hours:.1f} hours: a month is taken to be like them")
    return from_counts(count, hours, shares), notes


def _row(state: "Held", name: str) -> "Row":
    from infra.cli.audit_stack import SERVED
    from infra.spec.nearest import nearest

    by_name = {state.title(row): row for row in state.of(*SERVED)}
    if name in by_name:
        return by_name[name]
    known = ", ".join(nearest(name, by_name) or sorted(by_name))
    raise TrafficUnknown(
        f"stack {state.stack!r} has no endpoint {name!r} deployed",
        wanted=f"one of its endpoints: {known or 'none'}",
        fix="check the name, or use --from with a log",
    )


def _evenly(percentiles: Sequence[tuple[float, float]]) -> list[float]:
    """Evenly spaced quantiles, in straight lines between those that are known, and flat beyond them."""
    points = sorted(percentiles)
    if not points:
        return []
    found = []
    for step in range(_POINTS):
        share = step / (_POINTS - 1)
        below = max((point for point in points if point[0] <= share), default=points[0])
        above = min((point for point in points if point[0] >= share), default=points[-1])
        width = above[0] - below[0]
        part = (share - below[0]) / width if width > 0 else 0.0
        found.append(round(below[1] + (above[1] - below[1]) * part, 6))
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PilotlightError(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}", fix="check -o"
        ) from None
