"""`pilotlight preview`: what a change does, costs and breaks, per stack, as a report for people and for machines."""

import argparse
import contextlib
import io
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.cli.preview_start import Started, start
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.cli.preview_stack import Say
    from infra.report.model import Report

FORMATS = ("markdown", "html", "json", "text", "sarif", "junit")
SUFFIXES = {"markdown": "md", "html": "html", "json": "json", "text": "txt", "sarif": "sarif", "junit": "xml"}
_AT_ONCE = 4
_MANY = 5


class PreviewError(PilotlightError):
    """The report cannot be written."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "preview",
        help="preview, price and judge what a change does to its stacks",
        epilog="Exit codes: 0 fine, 3 blocked by a policy, 1 a preview failed (the report is written all the same), "
        "2 usage.",
    )
    parser.add_argument(
        "-s", "--stack", action="append", default=[], metavar="STACK", help="this stack; may be given again"
        " (default: those that the change since --base touches, or all)",
    )  # fmt: skip
    parser.add_argument(
        "--base", metavar="REF", help="compare with where head has left this commit or branch"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write here; a directory gets a file per stack (default: stdout)",
    )
    parser.add_argument(
        "--policy-pack",
        action="append",
        default=[],
        metavar="DIR",
        help="a pack that the engine asks; may be given again",
    )
    parser.add_argument(
        "--offline", action="store_true", help="do not ask the engine: declarations and plans only"
    )
    parser.add_argument(
        "--head", metavar="SHA", help="the commit that is previewed (default: what is checked out)"
    )


def run(args: argparse.Namespace) -> int:
    from infra.cli import preview_git
    from infra.cli.program import stacks
    from infra.kit.local import find_root

    root = find_root()
    known = stacks(root)
    if wrong := [name for name in args.stack if name not in known]:
        print(f"error: there is no stack {wrong[0]!r}\n  Wanted: one of: {', '.join(known)}", file=sys.stderr)
        return 2
    if args.head and not re.fullmatch(r"[0-9a-f]{7,64}", args.head):
        print(f"error: --head is {args.head!r}\n  Wanted: a commit in hex", file=sys.stderr)
        return 2
    head = args.head or preview_git.head(root)
    with contextlib.ExitStack() as opened:
        begin = _Engines(root, args, opened)
        base = _base(root, args.base, opened)
        names = args.stack or _touched(root, known, base)
        report = _all(root, list(dict.fromkeys(names)), base, head, begin, args)
    try:
        _write(report, args.format, args.output)
    except OSError as error:
        raise PreviewError(
            f"{args.output} cannot be written: {error.strerror}", fix="name another with -o"
        ) from None
    return {"ok": 0, "blocked": 3, "failed": 1}[report.verdict.value]


class _Engines:
    """Starts engines: of stacks that were named at once, before all that is imported for the rest, of others when it is their
    turn."""

    def __init__(self, root: Path, args: argparse.Namespace, opened: contextlib.ExitStack) -> None:
        self._root, self._packs, self._offline = root, args.policy_pack, args.offline
        self._under_way: dict[str, Started] = {}
        for stack in [] if args.offline else list(dict.fromkeys(args.stack))[:_AT_ONCE]:
            with contextlib.suppress(PilotlightError, OSError):  # told when it is asked for again
                self._under_way[stack] = start(root, stack, args.policy_pack)
                opened.callback(self._under_way[stack].end)

    def of(self, stack: str) -> "Callable[[], Started] | None":
        if self._offline:
            return None
        under_way = self._under_way.get(stack)
        return (lambda: under_way) if under_way else (lambda: start(self._root, stack, self._packs))


@dataclass(frozen=True)
class Base:
    """The project as it was. `root` is None, and `why` given, where it cannot be had."""

    commit: str
    root: Path | None
    why: str = ""


def _base(root: Path, ref: str | None, opened: contextlib.ExitStack) -> Base | None:
    from infra.cli import preview_git

    if ref is None:
        return None
    try:
        commit = preview_git.base_of(root, ref)
        return Base(commit, opened.enter_context(preview_git.worktree(root, commit)))
    except PilotlightError as error:
        return Base("", None, error.what)


def _touched(root: Path, known: list[str], base: Base | None) -> list[str]:
    from infra.cli import preview_git
    from infra.cli.preview_touched import touched
    from infra.cli.program import project

    if base is None or base.root is None:
        return known
    found = touched(root, project(root), known, preview_git.changed(root, base.commit), base.root)
    for stack, file in found.items():
        print(f"{stack}: touched by {file}", file=sys.stderr)
    return list(found)


def _all(
    root: Path, names: list[str], base: Base | None, head: str, begin: _Engines, args: argparse.Namespace
) -> "Report":
    """Every stack's report, made side by side, with nothing secret in it."""
    import os

    from infra.cli import preview_stack
    from infra.cli.preview_side import Planner
    from infra.cli.program import project
    from infra.report.model import Report
    from infra.report.redact import Redactor

    progress = _Progress()
    planner = Planner(root)
    sides = None if base is None else preview_stack.BaseSide(base.commit, base.root, base.why)
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, os.cpu_count() or 1, max(1, len(names)))) as pool:
        running: list[Future[preview_stack.Made]] = [
            pool.submit(
                preview_stack.make,
                root,
                stack,
                sides,
                planner,
                head=head,
                begin=begin.of(stack),
                points=args.format == "html",
                progress=progress.of(stack),
            )
            for stack in names
        ]
        made = [one.result() for one in running]
    secrets = {secret for one in made for secret in one.secrets}
    whole = Report(
        str(project(root).get("name")),
        tuple(one.report for one in made),
        head,
        "" if base is None else base.commit,
    )
    redactor = Redactor(
        [*secrets, *preview_stack.secrets_here(root)], root, () if sides is None else sides.places()
    )
    return redactor.all(whole)


def _write(report: "Report", format_: str, output: str | None) -> None:
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(
                errors="replace"
            )  # a terminal that is not UTF-8 has no marks, and no traceback
        sys.stdout.write(_rendered(report, format_))
        return
    to = Path(output)
    if output.endswith("/"):
        to.mkdir(parents=True, exist_ok=True)
    if not to.is_dir():
        to.write_text(_rendered(report, format_), encoding="utf-8", errors="replace")
        return
    for name, one in _by_file(report):
        (to / f"{name}.{SUFFIXES[format_]}").write_text(
            _rendered(one, format_), encoding="utf-8", errors="replace"
        )


def _by_file(report: "Report") -> Iterator[tuple[str, "Report"]]:
    """One report per stack, and the roll-up where there is none or there are many."""
    from dataclasses import replace

    from infra.report.model import ROLL_UP

    for stack in report.stacks:
        yield stack.stack, replace(report, stacks=(stack,))
    if not report.stacks or len(report.stacks) > _MANY:
        yield ROLL_UP, report


def _rendered(report: "Report", format_: str) -> str:
    match format_:
        case "markdown":
            from infra.report import markdown

            return markdown.render(report)
        case "html":
            from infra.report import page

            return page.render(report)
        case "json":
            from infra.report import data

            return data.render(report)
        case "text":
            from infra.report import text

            return text.render(report)
        case "sarif":
            from infra.report import results

            return results.as_sarif(report)
        case _:
            from infra.report import results

            return results.as_junit(report)


class _Progress:
    """Lines on standard error, one at each stack's begin and end, and one a second between on a terminal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}

    def of(self, stack: str) -> "Say":
        def say(text: str, whole: bool = True) -> None:
            now = time.monotonic()
            with self._lock:
                if not whole and (not sys.stderr.isatty() or now - self._last.get(stack, 0.0) < 1):
                    return
                self._last[stack] = now
                print(f"{stack}: {text}", file=sys.stderr, flush=True)

        return say
