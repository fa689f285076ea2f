"""`pilotlight check`: every rule on a stack's program, preview or state. Needs no backend, no credentials and no daemon."""

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.cli.check_views import Given
    from infra.report.judged import Verdict

FORMATS = ("text", "json", "sarif", "junit")


class ReportError(PilotlightError):
    """The report cannot be written."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "check",
        help="judge a stack by its rules, offline",
        epilog="Exit codes: 0 nothing stands in the way, 3 blocked by a rule, 1 an error, 2 usage.",
    )
    parser.add_argument("-s", "--stack", help="the stack (default: dev, or the one of the file)")
    parser.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        help="judge what `pulumi preview --json` or `pulumi stack export` wrote, and not the program",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="of the report (default: text)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write the report there, and print the verdict"
    )


def run(args: argparse.Namespace) -> int:
    from infra.cli import check_views
    from infra.kit.local import find_root
    from policies.gate import today

    root = find_root()
    if args.file is None:
        stack = args.stack or "dev"
        project, given = check_views.of_program(root, stack)
    else:
        project, stack, given = check_views.of_file(Path(args.file), args.stack)
    verdict = judge_all(root, project, stack, given, today())
    text = rendered(verdict, args.format)
    if args.output is None:
        print(text)
    else:
        _write(Path(args.output), text)
        print(verdict.sentence(), file=sys.stderr)
    return 3 if verdict.blocked else 0


def judge_all(root: Path | None, project: str, stack: str, given: "list[Given]", day: date) -> "Verdict":
    """The same rules, settings and exceptions as every other gate has. Raises `SettingsError`."""
    from infra.report.judged import Judged, Verdict
    from policies import settings as files
    from policies.judge import applying, on_stack, on_subject
    from policies.rules import RULES, STACK_RULES, Context, Level, Subject

    settings, context = files.load(root, stack), Context(day, root)
    judged, subjects = [], []
    for one in given:
        subject = Subject(one.view, context)
        subjects.append(subject)
        found = (*one.invalid, *on_subject(subject, settings, context))
        rules = tuple(rule.id for rule in applying(subject, settings))
        judged.append(Judged(one.view.urn, one.view.type, one.view.name, rules, found, one.source))
    whole = tuple(id for id in STACK_RULES if settings.rules[id].severity is not Level.OFF)
    judged.append(Judged("", "", "", whole, tuple(on_stack(subjects, settings, context))))
    described = {id: rule.description for id, rule in (RULES | STACK_RULES).items()}
    return Verdict(stack, project, judged, described)


def rendered(verdict: "Verdict", format: str) -> str:
    """The report in one of `FORMATS`."""
    if format == "json":
        from infra.report.judged import as_data

        return json.dumps(as_data(verdict), indent=2)
    if format == "sarif":
        from importlib.metadata import version

        from infra.report.sarif import sarif

        return json.dumps(sarif(verdict, version("pilotlight")), indent=2)
    if format == "junit":
        from infra.report.junit import junit

        return junit(verdict).rstrip("\n")
    return _text(verdict)


def _text(verdict: "Verdict") -> str:
    from infra.spec.findings import Severity

    order = list(Severity)
    lines = []
    for one, finding in sorted(verdict.findings(), key=lambda pair: order.index(pair[1].severity)):
        where = f" ({one.source[0]}, line {one.source[1]})" if one.source else ""
        at = f" at {finding.path}" if finding.path else ""
        lines.append(f"{finding.severity.value}: {one.name or 'the stack'}{at}{where} [{finding.rule}]")
        lines += [f"    {line}" for line in finding.message.splitlines()]
        lines += [f"    Fix: {finding.fix}"] if finding.fix else []
    return "\n".join(_printable(line) for line in [*lines, verdict.sentence()])


def _printable(line: str) -> str:
    """A name may hold anything; a terminal must not act on it."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        raise ReportError(
            f"{path} cannot be written: {error.strerror}", fix="name a file that can be"
        ) from None
