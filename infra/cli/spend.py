"""`pilotlight spend`: what the clouds billed, against what was planned, with the error of the plan."""

import argparse
import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.cli.audit_stack import Held
    from infra.cli.spend_against import Line
    from infra.cli.spend_bill import Bill

VERSION = 1
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST = timedelta(days=366)


class WindowError(PilotlightError):
    """A time that cannot be asked for."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "spend",
        help="billed against planned, per endpoint",
        epilog="Exit codes: 0 read, 1 an error or a cloud that cannot be asked, 2 usage. RunPod's bill holds the running hour, Modal's ends with the last full one.",
    )
    parser.add_argument("-s", "--stack", default="dev", help="the stack (default: dev)")
    parser.add_argument("--last", default="7d", help="how far back: 12h, 7d, 4w (default: 7d)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from infra.cli import audit_stack, spend_against
    from infra.kit.local import find_root

    last = duration(args.last, _LONGEST)
    root = find_root(None)
    state = audit_stack.held(root, args.stack)
    bill, left_out = asyncio.run(billed(root, state, last, datetime.now(UTC)))
    lines = spend_against.lines(state, bill, spend_against.plans_of(state, root))
    other = spend_against.elsewhere(state, bill)
    if args.json:
        print(json.dumps(as_data(args.stack, bill, lines, other, left_out), indent=2))
    else:
        print(as_text(args.stack, bill, lines, other))
        for cloud, why in left_out.items():
            print(f"error: {cloud} was not asked: {why}", file=sys.stderr)
    return 1 if left_out else 0


async def billed(root: Path, state: "Held", last: timedelta, now: datetime) -> "tuple[Bill, dict[str, str]]":
    """Also the clouds that could not be asked, with the reason."""
    from infra.cli import audit_stack, spend_bill

    clouds = await audit_stack.connect(root, state)
    try:
        return await spend_bill.read(clouds, now - last, now), clouds.left_out
    finally:
        await clouds.close()


def duration(text: str, longest: timedelta) -> timedelta:
    """`90m`, `2h`, `7d`, `4w`. Raises WindowError for anything else, nothing at all and more than `longest`."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip().lower())
    length = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
    if not timedelta(0) < length <= longest:
        raise WindowError(
            f"{text!r} is no time that can be asked for",
            wanted=f"a number and m, h, d or w, such as 2h or 7d; at most {longest.days} days",
        )
    return length


def as_data(
    stack: str, bill: "Bill", lines: "list[Line]", other: Decimal, left_out: dict[str, str]
) -> dict[str, Any]:
    return {
        "version": VERSION,
        "stack": stack,
        "start": bill.start.isoformat(),
        "until": {cloud: moment.isoformat() for cloud, moment in bill.until.items()},
        "lines": [line.as_data() for line in lines],
        "usd": {"billed": f"{_sum(lines):.4f}", "elsewhere": f"{other:.4f}"},
        "leftOut": left_out,
    }


def as_text(stack: str, bill: "Bill", lines: "list[Line]", other: Decimal) -> str:
    from infra.cli.catalog import table

    rows = [
        {
            "endpoint": line.name,
            "on": f"{line.cloud} {line.kind}",
            "hours": f"{line.hours:.1f}",
            "billed": _usd(line.billed),
            "planned": _usd(line.planned),
            "error": "-" if line.error is None else f"{line.error * 100:+.0f} %",
            "floor": _usd(line.floor),
            "ceiling": _usd(line.ceiling),
            "": line.verdict,
        }
        for line in lines
    ]
    text = [f"stack {stack} since {bill.start:%Y-%m-%d %H:%M} UTC"]
    text += [f"{cloud}'s bill reaches {moment:%Y-%m-%d %H:%M} UTC" for cloud, moment in bill.until.items()]
    if rows:
        text.append(table(rows))
    text.append(f"billed {_usd(_sum(lines))}; to other objects of these accounts {_usd(other)}")
    return "\n".join(text)


def _sum(lines: "list[Line]") -> Decimal:
    return sum((line.billed for line in lines), Decimal(0))


def _usd(amount: Decimal | None) -> str:
    return "-" if amount is None else f"${amount:,.4f}" if amount < 1 else f"${amount:,.2f}"
