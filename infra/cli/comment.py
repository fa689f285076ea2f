"""`pilotlight comment`: brings reports to where a change is reviewed, and compares what is merged with what was reviewed."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from infra.forge import (
    Action,
    Forge,
    Kind,
    Outcome,
    Place,
    close_issue,
    open_forge,
    publish,
    publish_issue,
    reviewed,
)
from infra.forge.annotations import commands
from infra.forge.issue import issue_body, issue_marker
from infra.report.marker import Marker
from infra.spec.errors import PilotlightError

NOT_REVIEWED = 4
_LARGEST_FILE = 4 * 2**20


class CommentError(PilotlightError):
    """There is nothing that could be posted."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "comment",
        help="post reports on a pull request, and compare a merge with what was reviewed",
        epilog="Exit codes: 0 done (or nothing to do), 4 what would be done is not what was reviewed, 1 an error, 2 usage.",
    )
    parser.add_argument(
        "--file",
        nargs="+",
        default=[],
        metavar="BODY",
        help="reports of `pilotlight preview --format markdown`",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--reviewed", action="store_true", help="post nothing: is this what the merged pull request showed?"
    )
    what.add_argument(
        "--issue", metavar="TOPIC", help="keep one open issue of this topic, with the file's text"
    )
    what.add_argument("--annotations", metavar="SARIF", help="print a check's SARIF as GitHub annotations")
    parser.add_argument(
        "--approved", metavar="DIGEST", default="", help="with --reviewed: a person has seen this digest"
    )
    parser.add_argument("--commit", default="", help="with --reviewed: the merge (default: the job's commit)")
    parser.add_argument("-s", "--stack", default="", help="with --issue: the stack that it is about")
    parser.add_argument(
        "--close", action="store_true", help="with --issue: all is well, close it if it is open"
    )
    parser.add_argument(
        "--forge", choices=[kind.value for kind in Kind], help="default: the forge whose job this is"
    )
    parser.add_argument("--repo", default="", metavar="OWNER/NAME", help="default: the job's repository")
    parser.add_argument("--pr", type=int, metavar="N", help="default: the job's pull or merge request")
    parser.add_argument("--api-url", default="", help="default: the job's forge, or the public one")
    parser.add_argument(
        "--author", default="", help="the login that the token writes under (default: the forge is asked)"
    )


def run(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> int:
    if arguments.annotations:
        for line in commands(Path(arguments.annotations)):
            print(line)
        return 0
    if problem := _misuse(arguments):
        print(f"pilotlight comment: {problem}", file=sys.stderr)
        return 2
    bodies = [_read(Path(name)) for name in arguments.file]
    place = Place.find(
        environment,
        kind=Kind(arguments.forge) if arguments.forge else None,
        repo=arguments.repo,
        number=arguments.pr,
        api_url=arguments.api_url,
        author=arguments.author,
    )
    forge = open_forge(place, say=_say)
    if arguments.issue:
        return _issue(forge, arguments, bodies, environment)
    if arguments.reviewed:
        commit = arguments.commit or environment.get("GITHUB_SHA") or environment.get("CI_COMMIT_SHA", "")
        return _compare(forge, bodies, arguments.approved, commit)
    return _tell(publish(forge, _number(forge, place), bodies, _say))


def _misuse(arguments: argparse.Namespace) -> str:
    if arguments.issue and not arguments.stack:
        return "--issue wants the stack that it is about: -s STACK"
    if arguments.issue and arguments.close == bool(arguments.file):
        return "--issue wants either --file TEXT or --close"
    if arguments.issue and len(arguments.file) > 1:
        return "--issue takes one file"
    if not arguments.file and not arguments.close:
        return "--file BODY is missing"
    return ""


def _number(forge: Forge, place: Place) -> int:
    if place.number is not None:
        return place.number
    pull = forge.pull_of_branch(*place.branch) if place.branch else None
    if pull is None:
        told = (
            f"no open pull request of {':'.join(place.branch)}"
            if place.branch
            else "no pull request is named"
        )
        raise CommentError(f"{told} in {place.repo}", wanted="the number of one", fix="give it with --pr")
    return pull.number


def _compare(forge: Forge, bodies: Sequence[str], approved: str, commit: str) -> int:
    markers = [_marker(body) for body in bodies]
    open_ones = [marker for marker in markers if not approved or not _is(marker, approved)]
    if not open_ones:
        print(f"approved by hand: digest {approved}")
        return 0
    pull = forge.pull_of_commit(commit) if commit else None
    if pull is None:
        reasons = [
            f"{commit[:10] or 'this commit'} was not made by merging a pull request: nobody has reviewed it"
        ]
    else:
        reasons = reviewed(forge, pull, open_ones, _say)
    if not reasons:
        print(f"as reviewed on {pull.url}" if pull else "")
        return 0
    for reason in reasons:
        print(f"not as reviewed: {reason}", file=sys.stderr)
    digests = ", ".join(f"{marker.stack} {marker.digest}" for marker in open_ones)
    print(f"To go on, read the new preview and approve its digest ({digests}).", file=sys.stderr)
    return NOT_REVIEWED


def _issue(
    forge: Forge, arguments: argparse.Namespace, bodies: Sequence[str], environment: Mapping[str, str]
) -> int:
    project = _project()
    if arguments.close:
        closed = close_issue(forge, issue_marker(project, arguments.stack, arguments.issue, ""), _say)
        return _tell([closed] if closed else [])
    text = issue_body(project, arguments.stack, arguments.issue, bodies[0], _job(environment))
    return _tell([publish_issue(forge, f"{arguments.stack}: {arguments.issue}", text, _say)])


def _project() -> str:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "Pulumi.yaml").is_file():
            settings = yaml.safe_load((folder / "Pulumi.yaml").read_text(encoding="utf-8"))
            return str(settings["name"])
    raise CommentError("there is no Pulumi.yaml here or above", fix="run it in the checkout of the project")


def _job(environment: Mapping[str, str]) -> str:
    """The page of this CI job, "" where there is none."""
    if told := environment.get("CI_JOB_URL"):
        return told
    parts = [
        environment.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    ]
    return f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}" if all(parts) else ""


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise CommentError(f"{path} has more than {_LARGEST_FILE // 2**20} MiB", fix="is it a report?")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CommentError(f"{path} cannot be read: {reason}", wanted="a report in Markdown") from error


def _marker(body: str) -> Marker:
    marker = Marker.parse(body)
    if marker is None:
        raise CommentError(
            f"the text begins with {body[:40]!r}, which is no report",
            fix="write it with `pilotlight preview --format markdown -o FILE`",
        )
    return marker


def _is(marker: Marker, approved: str) -> bool:
    """The whole digest: a part of one would be easy to meet, and noughts stand for none."""
    return marker.digest == approved.strip().lower() and marker.digest.strip("0") != ""


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _tell(outcomes: Sequence[Outcome]) -> int:
    for outcome in outcomes:
        print(f"{_WORDS[outcome.action]}: {outcome.where}")
    return 0


_WORDS: dict[Action, str] = {
    Action.CREATED: "posted",
    Action.UPDATED: "brought up to date",
    Action.UNCHANGED: "unchanged, nothing written",
    Action.SUPERSEDED: "not posted",
    Action.CLOSED: "closed",
}
