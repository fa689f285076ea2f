"""`pilotlight audit`: what is live against what is declared. It reads, and changes nothing."""

import argparse
import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.cli.audit_judge import Finding

VERSION = 1
FOUND = 3


def add_commands(subparsers: Any) -> None:
    from infra.cli.audit_judge import Kind

    parser = subparsers.add_parser(
        "audit",
        help="live against declared: orphans, unknown objects, idle spenders, versions behind, stale weights",
        epilog="Exit codes: 0 nothing found, 3 findings, 1 an error or a cloud that cannot be asked, 2 usage. Only lists and reads.",
    )
    parser.add_argument("-s", "--stack", default="dev", help="the stack (default: dev)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        choices=[kind.value for kind in Kind],
        help="leave these out, such as `unknown` in an account that is shared; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    from infra.kit.local import find_root

    found, left_out = asyncio.run(audit(find_root(None), args.stack))
    found = [one for one in found if one.kind.value not in args.ignore]
    if args.json:
        print(json.dumps(as_data(args.stack, found, left_out), indent=2))
    else:
        if found or not left_out:
            print(as_text(args.stack, found))
        for cloud, why in left_out.items():
            print(f"error: {cloud} was not asked: {why}", file=sys.stderr)
    return exit_code(found, left_out)


def exit_code(found: "list[Finding]", left_out: dict[str, str]) -> int:
    """Half an answer is not a clean one."""
    return FOUND if found else 1 if left_out else 0


async def audit(root: Path, stack: str) -> "tuple[list[Finding], dict[str, str]]":
    """All findings, and the clouds that could not be asked with the reason. Raises `PilotlightError`."""
    from infra.cli import audit_stack
    from infra.cli.audit_judge import judge
    from infra.cli.audit_live import look

    state = audit_stack.held(root, stack)
    names = [name for name in audit_stack.stacks(root) if name.rsplit("/", 1)[-1] != stack.rsplit("/", 1)[-1]]
    others = [audit_stack.held(root, name, secrets=False) for name in names]
    clouds = await audit_stack.connect(root, state)
    try:
        live = await look(clouds, state)
    finally:
        await clouds.close()
    asked = {name for name, clients in (("runpod", clouds.runpod), ("modal", clouds.modal)) if clients}
    return judge(live, state, others, frozenset(asked)), clouds.left_out


def total(found: "list[Finding]") -> Decimal:
    """Of all findings, US dollars a day."""
    return sum((one.usd_per_day for one in found if one.usd_per_day), Decimal(0))


def as_data(stack: str, found: "list[Finding]", left_out: dict[str, str]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "stack": stack,
        "findings": [one.as_data() for one in found],
        "usdPerDay": f"{total(found):.2f}",
        "leftOut": left_out,
    }


def as_text(stack: str, found: "list[Finding]") -> str:
    if not found:
        return f"stack {stack}: what is live is what is declared"
    lines = []
    for one in found:
        cost = f", ${one.usd_per_day:,.2f}/day" if one.usd_per_day else ""
        lines += [
            f"{one.kind.value}: {one.cloud} {one.object} {one.name} ({one.id}){cost}",
            f"  {one.text}",
            f"  Fix: {one.fix}",
        ]
    spent = f", ${total(found):,.2f}/day" if total(found) else ""
    return "\n".join([*lines, f"{len(found)} finding{'s' * (len(found) > 1)}{spent}"])
