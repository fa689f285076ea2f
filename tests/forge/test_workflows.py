"""The workflows that a user copies: linted, pinned, stingy with rights, and calling only what exists."""

import contextlib
import io
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cli.main import COMMANDS, main
from tests.forge.golang import actionlint

ROOT = Path(__file__).resolve().parents[2]
GITHUB = sorted((ROOT / ".github/workflows").glob("*.yml"))
ALL = [*GITHUB, *sorted((ROOT / ".gitea/workflows").glob("*.yml"))]
every_workflow = pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
MAY_WRITE = {
    "preview": set(),
    "comment": {"pull-requests"},
    "up": set(),
    "drift": {"issues"},
    "prices": {"issues"},
}


def load(path: Path) -> dict[Any, Any]:
    loaded = yaml.safe_load(path.read_text())
    assert isinstance(loaded, dict)
    return loaded


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_every_workflow_is_known() -> None:
    assert {path.stem for path in GITHUB} == set(MAY_WRITE)


def test_actionlint_has_nothing_to_say() -> None:
    command = [actionlint(), "-no-color", "-shellcheck=", "-pyflakes=", *ALL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    assert done.returncode == 0


@every_workflow
def test_actions_are_pinned_by_commit(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_rights_are_the_least(path: Path) -> None:
    workflow = load(path)
    rights = [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]
    assert all(isinstance(one, dict) for one in rights)
    assert {name for one in rights for name, right in one.items() if right != "read"} == MAY_WRITE[path.stem]


@every_workflow
def test_code_of_a_pull_request_never_runs_with_our_rights(path: Path) -> None:
    workflow = load(path)
    triggers = workflow[True]  # `on` is a boolean in YAML 1.1
    assert "pull_request_target" not in triggers
    if "workflow_run" in triggers:
        assert "ref" not in str(
            [step.get("with") for step in steps(workflow) if "checkout" in step.get("uses", "")]
        )
    for step in steps(workflow):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_no_expression_is_pasted_into_a_script(path: Path) -> None:
    """A branch may be named `$(reboot)`: values go through the environment."""
    assert [step["run"] for step in steps(load(path)) if "${{" in step.get("run", "")] == []


def test_a_preview_gives_secrets_to_this_repository_only() -> None:
    workflow = load(ROOT / ".github/workflows/preview.yml")
    same = "github.event.pull_request.head.repo.full_name == github.repository && "
    for step in steps(workflow):
        for value in step.get("env", {}).values():
            if "secrets." in value or "vars." in value:
                assert re.fullmatch(
                    rf"\$\{{\{{ {re.escape(same)}(secrets|vars)\.\w+ \|\| '' \}}\}}", value
                ), value
    assert "environment" not in workflow["jobs"]["preview"]


def test_only_a_stacks_own_environment_deploys_and_only_what_was_reviewed() -> None:
    job = load(ROOT / ".github/workflows/up.yml")["jobs"]["up"]
    assert job["environment"] == "${{ matrix.stack }}"
    runs = [step.get("run", "") for step in job["steps"]]
    compared = next(number for number, run in enumerate(runs) if "comment --reviewed" in run)
    deployed = next(number for number, run in enumerate(runs) if "pulumi up" in run)
    assert compared < deployed
    assert "if" not in job["steps"][compared]
    assert "if" not in job["steps"][deployed]
    assert not any(step.get("continue-on-error") for step in job["steps"])


@every_workflow
def test_only_commands_that_exist_are_called(path: Path) -> None:
    called = []
    for step in steps(load(path)):
        text = re.sub(r"\\\n", " ", step.get("run", ""))
        called += re.findall(r"\.venv/bin/pilotlight ([^;&|\n>]+)", text)
    known = [
        (words[0], words[1:]) for line in called if (words := shlex.split(line)) and words[0] != "$command"
    ]
    assert known
    for command, words in known:
        assert command in COMMANDS
        told = help_of(command)
        for word in words:
            if word.startswith("-"):
                assert re.search(rf"(^|[\s,\[]){re.escape(word)}\b", told), f"{command} has no {word}"


def help_of(command: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit):
        main([command, "--help"])
    return out.getvalue()


def test_the_page_has_a_gitlab_job_that_can_be_copied() -> None:
    (block,) = re.findall(
        r"```yaml\n(preview:.*?)```", (ROOT / "docs/pull-requests.md").read_text(), re.DOTALL
    )
    script = yaml.safe_load(block)["preview"]["script"]
    assert all(isinstance(line, str) for line in script)
    assert "--head" in help_of("preview")


@pytest.mark.parametrize(
    "option", ["--reviewed", "--issue", "--annotations", "--forge", "--repo", "--pr", "--api-url", "--author"]
)
def test_the_page_tells_every_option(option: str) -> None:
    assert (
        f"`{option}" in (text := (ROOT / "docs/pull-requests.md").read_text()) or f"comment {option} " in text
    )
    assert option in help_of("comment")
