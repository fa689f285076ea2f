"""`pilotlight comment` as a job runs it, against forges on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli.main import main
from infra.report.marker import Marker
from tests.forge.server import serve
from tests.forge.world import HEAD, World

TOKEN = "ghs_canary0451"


def report(stack: str = "prod", digest: str = "ab" * 32, head: str = HEAD) -> str:
    return f"{Marker('pilotlight', stack, digest, head).line()}\n### fine\n"


class Job:
    def __init__(self, world: World, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.url, self.folder = world, url, folder
        self.event = folder / "event.json"
        self.event.write_text("{}")
        for name in list(os.environ):
            if name.startswith(("GITHUB_", "CI_", "GITLAB_", "GITEA_", "PILOTLIGHT_")):
                monkeypatch.delenv(name)
        self.environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": url,
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_EVENT_PATH": str(self.event),
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_SHA": "e" * 40,
        }
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        (folder / "Pulumi.yaml").write_text("name: pilotlight\nruntime: python\n")
        monkeypatch.chdir(folder)

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    # A job's token may not ask whose it is.
    world = World(tokens={TOKEN: ""})
    with serve("github", world) as url:
        yield Job(world, url, tmp_path, monkeypatch)


def test_reports_are_posted_once(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    files = [job.write("a.md", report("prod")), job.write("b.md", report("staging"))]
    assert main(["comment", "--file", *files]) == 0
    assert main(["comment", "--file", *files]) == 0
    assert len(job.world.writes) == 2
    assert [note.author for note in job.world.pulls[7].notes] == ["github-actions[bot]"] * 2
    said = capsys.readouterr()
    assert said.out.count("posted: ") == 2
    assert said.out.count("nothing written") == 2
    assert TOKEN not in said.out + said.err


def test_after_a_run_of_a_fork_the_pull_request_is_found_by_its_branch(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.world.pulls[7].owner = "mallory"
    run = {"head_branch": "change", "head_repository": {"owner": {"login": "mallory"}}}
    job.event.write_text(json.dumps({"workflow_run": run}))
    monkeypatch.setenv("GITHUB_REF", "refs/heads/main")
    assert main(["comment", "--file", job.write("a.md", report())]) == 0
    assert len(job.world.pulls[7].notes) == 1


def test_no_pull_request_is_told(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_REF", "refs/heads/main")
    assert main(["comment", "--file", job.write("a.md", report())]) == 1
    assert "--pr" in capsys.readouterr().err
    assert job.world.log == []


def test_merged_as_reviewed(job: Job) -> None:
    body = job.write("a.md", report())
    assert main(["comment", "--file", body]) == 0
    job.world.pulls[7].merge = "e" * 40
    # The merge has another commit than the head; what counts is what it does.
    merged = job.write("merged.md", report(head="e" * 40))
    assert main(["comment", "--reviewed", "--file", merged]) == 0
    assert len(job.world.writes) == 1


def test_merged_otherwise_asks_again_until_its_digest_is_approved(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["comment", "--file", job.write("a.md", report())])
    job.world.pulls[7].merge = "e" * 40
    merged = job.write("merged.md", report(digest="cd" * 32))
    assert main(["comment", "--reviewed", "--file", merged]) == 4
    assert "cd" * 32 in capsys.readouterr().err
    assert main(["comment", "--reviewed", "--file", merged, "--approved", "ab" * 32]) == 4
    assert main(["comment", "--reviewed", "--file", merged, "--approved", "cd" * 8]) == 4
    assert main(["comment", "--reviewed", "--file", merged, "--approved", "cd" * 32]) == 0


def test_noughts_are_no_digest_that_could_be_approved(job: Job) -> None:
    body = job.write("a.md", report(digest="0" * 64))
    assert main(["comment", "--reviewed", "--file", body, "--approved", "0" * 64]) == 4


def test_a_push_without_a_pull_request_was_not_reviewed(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["comment", "--reviewed", "--file", job.write("a.md", report())]) == 4
    assert "nobody has reviewed it" in capsys.readouterr().err


def test_drift_is_one_issue_that_closes_by_itself(job: Job) -> None:
    drift = job.write("drift.txt", "~ endpoint `embed`: workers.max 3 -> 9 @everyone\n```\nDuration: 3s\n")
    again = job.write("again.txt", "~ endpoint `embed`: workers.max 3 -> 9 @everyone\n```\nDuration: 4s\n")
    arguments = ["comment", "--issue", "drift", "-s", "prod"]
    assert main([*arguments, "--file", drift]) == 0
    assert main([*arguments, "--file", again]) == 0
    (topic,) = job.world.topics
    assert len(job.world.writes) == 1
    assert topic.title == "prod: drift"
    # What the tool printed cannot end its fence, and nobody is called from inside of one.
    assert "\n````text\n" in topic.body
    assert main([*arguments, "--close"]) == 0
    assert main([*arguments, "--close"]) == 0
    assert topic.state == "closed"


def test_an_issue_about_much_is_cut_below_the_limit(job: Job) -> None:
    much = job.write("drift.txt", "~ a line of it\n" * 20_000)
    assert main(["comment", "--issue", "drift", "-s", "prod", "--file", much]) == 0
    (topic,) = job.world.topics
    assert len(topic.body) < 65_536
    assert "characters more" in topic.body


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--reviewed"],
        ["--issue", "drift", "--file", "a"],
        ["--issue", "drift", "-s", "prod"],
        ["--issue", "drift", "-s", "prod", "--close", "--file", "a"],
        ["--issue", "drift", "-s", "prod", "--file", "a", "b"],
    ],
)
def test_wrong_usage(job: Job, arguments: list[str]) -> None:
    assert main(["comment", *arguments]) == 2
    assert job.world.log == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"hello", b""])
def test_a_file_that_is_no_report(
    job: Job, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (job.folder / "a.md").write_bytes(content)
    assert main(["comment", "--file", "a.md"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert job.world.log == []


def test_annotations_of_a_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def result(level: str, text: str, line: int) -> dict[str, object]:
        place = {"artifactLocation": {"uri": "stacks/a,b.py"}, "region": {"startLine": line}}
        return {
            "ruleId": "budget",
            "level": level,
            "message": {"text": text},
            "locations": [{"physicalLocation": place}],
        }

    results = [
        result("warning", "dear", 3),
        result("error", "100% over\nbudget", 9),
        {"message": {"text": "x"}},
    ]
    results += [result("note", f"{number}", 1) for number in range(12)]
    results.append({**result("error", "excused", 1), "suppressions": [{"kind": "external"}]})
    path = tmp_path / "check.sarif"
    path.write_text(json.dumps({"version": "2.1.0", "runs": [{"results": results}]}))
    assert main(["comment", "--annotations", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "::error file=stacks/a%2Cb.py,line=9,title=budget::100%25 over%0Abudget",
        "::warning file=stacks/a%2Cb.py,line=3,title=budget::dear",
        "::warning ::x",
    ]
    assert len(lines) == 3 + 10 + 1
    assert lines[-1].startswith("::notice::2 more")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"runs": [{"results": [{}]}]}'])
def test_annotations_of_nothing(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_text(content)
    assert main(["comment", "--annotations", str(tmp_path / "x")]) == 1
    assert "SARIF" in capsys.readouterr().err


def test_the_token_is_no_argument_and_nothing_heavy_is_loaded() -> None:
    code = "import infra.cli.comment, sys; print([m for m in ('pulumi', 'numpy', 'boto3', 'modal') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
