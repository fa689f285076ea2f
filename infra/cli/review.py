"""`pilotlight review`: a short-lived stack for a pull request, on the cheapest cards, with a lease that a reaper ends."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.cli import review_lease
from infra.cli.review_lease import Lease, ReviewError
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.cli.review_stack import Stacks

_LONGEST = timedelta(days=14)
_PATIENCE = timedelta(hours=1)
"""How long after its lease a stack may be held by another run before that is an error."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "review",
        help="a short-lived stack for a pull request",
        epilog="Exit codes: 0 done, 1 an error, or a stack that could not be removed, 2 usage.",
    )
    commands = parser.add_subparsers(dest="review", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="deploy it, or deploy again and renew its lease")
    up.add_argument("--pr", type=int, required=True, help="number of the pull request")
    up.add_argument(
        "--ttl", default="2h", help="how long it may live: 90m, 2h, 3d; at most 14d (default: 2h)"
    )
    up.add_argument("-s", "--stack", default="dev", help="the stack whose settings it takes (default: dev)")
    down = commands.add_parser("down", help="destroy and remove it")
    down.add_argument("--pr", type=int, required=True, help="number of the pull request")
    reap = commands.add_parser("reap", help="destroy and remove every one whose lease is over")
    reap.add_argument("--dry-run", action="store_true", help="only say which")
    listed = commands.add_parser("list", help="all of them, until when, and with --spend their cost so far")
    listed.add_argument("--spend", action="store_true", help="ask the clouds what they have billed")
    listed.add_argument("--json", action="store_true", help="print JSON")
    note = commands.add_parser(
        "note",
        help="what it costs so far, and until when it lives: the body of a comment on the pull request",
    )
    note.add_argument("--pr", type=int, required=True, help="number of the pull request")
    note.add_argument("--head", help="the commit that is reviewed (default: none is named)")
    note.add_argument("-o", "--output", type=Path, help="write it there (default: print it)")


def run(args: argparse.Namespace) -> int:
    from infra.cli.review_stack import Stacks
    from infra.kit.local import find_root

    stacks = Stacks(find_root(None))
    if args.review == "up":
        return up(stacks, args.pr, args.ttl, args.stack)
    if args.review == "down":
        return down(stacks, args.pr)
    if args.review == "reap":
        return reap(stacks, dry=args.dry_run)
    if args.review == "note":
        return note(stacks, args.pr, args.head, args.output)
    return show(stacks, args.spend, args.json)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def up(stacks: "Stacks", pull_request: int, ttl: str, base: str, clock: Callable[[], datetime] = now) -> int:
    """Raises ReviewError before it touches anything that it did not make."""
    from infra.cli import program, review_cheap, review_stack, spend

    stack = review_lease.name(pull_request)
    lasts = spend.duration(ttl, _LONGEST)
    if review_lease.is_review(base):
        raise ReviewError(f"{base} is a review stack itself", fix="name the stack that it is a review of")
    full = stacks.find(stack)
    if full is not None or stacks.path(stack).exists():
        _ours(stacks, full or stack, full is not None)
    cheap = review_cheap.cheapest(program.run(stacks.root, base), f"pr-{pull_request}")
    lease = Lease(stack, base, clock() + lasts)
    if full is not None:
        stacks.hold(full, lease)  # first of all: a reaper must not begin now
        stacks.restore(full)
    else:
        stacks.write(stack, {"config": {review_lease.KEY: lease.line()}})
        stacks.make(stack, base)
        stacks.hold(stack, lease)
    stacks.write(
        stack,
        review_stack.settings_of(stacks.settings(base), stacks.settings(stack), lease, cheap.overrides),
    )
    stacks.copy_secrets(base, full or stack)
    for line in cheap.said:
        _say(line)
    most = (
        "" if cheap.usd_per_hour is None else f"; at most ${_most(cheap.usd_per_hour, lasts):.2f} until then"
    )
    _say(f"{stack}: leased until {lease.expires:%Y-%m-%d %H:%M} UTC{most}")
    code = stacks.up(full or stack)
    if code:
        _say(f"{stack} is not whole. Run it again, or `pilotlight review down --pr {pull_request}`")
    return code


def down(stacks: "Stacks", pull_request: int) -> int:
    stack = review_lease.name(pull_request)
    full = stacks.find(stack)
    if full is None:
        if stacks.path(stack).exists():
            _ours(stacks, stack, False)
            stacks.path(stack).unlink(missing_ok=True)
        _say(f"there is no stack {stack}")
        return 0
    _ours(stacks, full, True)
    done = stacks.remove(full)
    if done.code:
        print(done.text, file=sys.stderr)
        raise ReviewError(
            f"{stack} is not removed" + (": another run is at work on it" if done.locked else ""),
            fix="run it again when that is done"
            if done.locked
            else "see what is said above, and run it again",
        )
    _say(f"{stack} is removed")
    return 0


def reap(stacks: "Stacks", *, dry: bool = False, clock: Callable[[], datetime] = now) -> int:
    """One that fails does not keep the others alive. May be killed, and may run twice at once."""
    code = 0
    for stack in stacks.names():
        try:
            code |= _reap(stacks, stack, dry, clock)
        except PilotlightError as error:
            if stack in stacks.names():  # else another run removed it in between
                print(f"error: {error}", file=sys.stderr)
                code = 1
    return code


def _reap(stacks: "Stacks", stack: str, dry: bool, clock: Callable[[], datetime]) -> int:
    lease = stacks.lease(stack)
    if lease is None:
        _say(f"{stack}: not made by `pilotlight review`, left alone")
        return 0
    over_for = clock() - lease.expires
    if over_for < timedelta(0):
        return 0
    if dry:
        _say(f"{stack}: its lease was over at {lease.expires:%Y-%m-%d %H:%M} UTC")
        return 0
    done = stacks.remove(stack)
    if done.code == 0:
        _say(f"{stack} is removed: its lease was over at {lease.expires:%Y-%m-%d %H:%M} UTC")
        return 0
    if stack not in stacks.names():
        _say(f"{stack} is gone: another run removed it")
        return 0
    if done.locked and over_for < _PATIENCE:
        _say(f"{stack} is in use by another run: left for the next time")
        return 0
    why = "another run holds it since; if none does, `pulumi cancel`" if done.locked else done.text.strip()
    print(f"error: {stack} is not removed: {why}", file=sys.stderr)
    return 1


def show(stacks: "Stacks", with_spend: bool, as_json: bool) -> int:
    """Those that are ours."""
    from infra.cli.catalog import table

    rows: list[dict[str, str]] = []
    for stack in stacks.names():
        lease = stacks.lease(stack)
        if lease is None:
            continue
        row = {
            "stack": stack,
            "base": lease.base,
            "expires": f"{lease.expires:%Y-%m-%dT%H:%M:%SZ}",
            "over": "yes" if lease.expires <= now() else "no",
        }
        if with_spend:
            row["billed"] = _billed(stacks.root, stack)
        rows.append(row)
    print(json.dumps({"version": 1, "stacks": rows}, indent=2) if as_json else table(rows))
    return 0


def note(stacks: "Stacks", pull_request: int, head: str | None, output: Path | None) -> int:
    """The comment's body, which `pilotlight comment --file` keeps up to date. Raises ReviewError for a stack that is none."""
    from infra.cli import program

    stack = review_lease.name(pull_request)
    full = stacks.find(stack)
    lease = None if full is None else stacks.lease(full)
    if full is None or lease is None:
        raise ReviewError(
            f"there is no review stack {stack}", fix=f"run `pilotlight review up --pr {pull_request}`"
        )
    text = body(str(program.project(stacks.root)["name"]), lease, _billed(stacks.root, full), head, now())
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")
    return 0


def body(project: str, lease: Lease, billed: str, head: str | None, at: datetime) -> str:
    """Markdown, under a marker of its own. Its digest is of what it says, so that nothing new is nothing written."""
    from hashlib import sha256

    from infra.report.marker import NO_HEAD, Marker

    cost = "what it has cost is not known" if billed == "unknown" else f"${billed} so far"
    left = "its lease is over" if lease.expires <= at else f"lives until {lease.expires:%Y-%m-%d %H:%M} UTC"
    said = (
        f"### Review stack {lease.stack}: {cost}; {left}\n\nIt has the settings of stack {lease.base}, on the cheapest cards that fit. "
        "The clouds bill with a delay: Modal by full hours.\n"
    )
    marker = Marker(project, lease.stack, sha256(said.encode()).hexdigest(), head or NO_HEAD)
    return f"{marker.line()}\n{said}"


def _billed(root: Path, stack: str) -> str:
    import asyncio

    from infra.cli import audit_stack, spend, spend_against

    try:
        state = audit_stack.held(root, stack)
        bill, _ = asyncio.run(spend.billed(root, state, _LONGEST, datetime.now(UTC)))
    except PilotlightError:
        return "unknown"
    return f"{sum(line.billed for line in spend_against.lines(state, bill, {})):.4f}"


def _ours(stacks: "Stacks", stack: str, there: bool) -> None:
    if stacks.lease(stack) is not None:
        return
    what = f"stack {stack!r}" if there else str(stacks.path(stack).relative_to(stacks.root))
    raise ReviewError(
        f"{what} was not made by `pilotlight review`: it carries no mark",
        wanted=f"a stack with the tag {review_lease.KEY} that names it",
        fix="rename it, or use the number of another pull request",
    )


def _most(usd_per_hour: Any, lasts: timedelta) -> Any:
    from decimal import Decimal

    return usd_per_hour * Decimal(int(lasts.total_seconds())) / 3600


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
