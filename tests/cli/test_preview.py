"""`pilotlight preview` on real projects in real repositories, with an engine that is a script or none at all."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.cli import main
from infra.report.marker import Marker
from infra.report.model import ROLL_UP
from tests.report.made import event, step

HEAD = (
    "from components import *\nfrom infra.spec.declarations import Slo, Traffic\nfrom workers import MOST\n"
)
CHAT = (
    'ModelEndpoint("chat", cloud="runpod", gpu="{gpu}", workers=Workers(max=MOST), image="r/x@sha256:{digest}", '
    'traffic=Traffic(requests_per_hour=20, service_s=1), slo=Slo(cold_start_p95_s={slo}), auth="cloud")\n'
)
Preview = Callable[..., tuple[int, str, str]]


def git(root: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def program(gpu: str = "L4", slo: int = 600) -> str:
    return HEAD + CHAT.format(gpu=gpu, slo=slo, digest="0" * 64)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a folder of a repository, at its first commit: one endpoint, two stacks."""
    root = tmp_path / "shop"
    (root / "stacks").mkdir(parents=True)
    (root / "Pulumi.yaml").write_text("name: shop\nruntime: python\nmain: stacks/\nstackConfigDir: stacks\n")
    (root / "stacks/workers.py").write_text("MOST = 2\n")
    (root / "stacks/__main__.py").write_text(program())
    for stack in ("dev", "prod"):
        (root / f"stacks/Pulumi.{stack}.yaml").write_text("config: {}\n")
    (root / ".gitignore").write_text(".venv\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def preview(shop: Path, capsys: pytest.CaptureFixture[str]) -> Preview:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main.main(["preview", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def engine(shop: Path) -> Callable[..., None]:
    """`engine(lines, stderr, code)`: what the CLI of this checkout will say."""

    def make(lines: list[str], stderr: str = "", code: int = 0) -> None:
        folder = shop / ".venv/bin"
        folder.mkdir(parents=True)
        (folder / "said").write_text("".join(f"{line}\n" for line in lines))
        (folder / "stderr").write_text(stderr)
        script = folder / "pulumi"
        script.write_text(
            f'#!/bin/sh\nhere="${{0%/*}}"\ncat "$here/said"\ncat "$here/stderr" >&2\nexit {code}\n'
        )
        script.chmod(0o755)

    return make


def stacks(told: str) -> dict[str, Any]:
    return {one["stack"]: one for one in json.loads(told)["stacks"]}


def test_a_change_is_priced_before_and_after_without_an_engine(shop: Path, preview: Preview) -> None:
    (shop / "stacks/__main__.py").write_text(program("H100"))
    code, told, _ = preview("-s", "dev", "--base", "main", "--offline", "--format", "json")
    made = json.loads(told)
    one = stacks(told)["dev"]
    assert code == 0
    assert made["head"] == made["base"] == git(shop, "rev-parse", "HEAD")
    assert one["basis"] == "declarations"
    [endpoint] = one["endpoints"]
    assert endpoint["change"] == "changed"
    assert (endpoint["before"]["plan"]["gpu"], endpoint["after"]["plan"]["gpu"]) == ("L4", "H100")
    assert float(one["usdPerMonth"]["after"]["expected"]) > float(one["usdPerMonth"]["before"]["expected"])
    assert one["counts"] == {"update": 1}
    assert endpoint["source"]["file"] == "stacks/__main__.py"
    assert "worktree" not in git(shop, "worktree", "list", "--porcelain").partition("\n\n")[2]


def test_a_missed_slo_blocks(shop: Path, preview: Preview) -> None:
    (shop / "stacks/__main__.py").write_text(program(slo=5))
    code, told, _ = preview("-s", "dev", "--offline", "--format", "markdown")
    assert code == 3
    assert "### ❌ dev: blocked by 2 policies. " in told
    assert "| `cold-start-slo` | `chat` |" in told
    assert "(SLO 5.0 s)" in told
    assert "`stacks/__main__.py:4`" in told


def test_only_touched_stacks_are_previewed(shop: Path, preview: Preview) -> None:
    (shop / "stacks/Pulumi.prod.yaml").write_text("config: {shop:size: 2}\n")
    _, told, said = preview("--base", "main", "--offline", "--format", "json")
    assert list(stacks(told)) == ["prod"]
    assert "prod: touched by stacks/Pulumi.prod.yaml" in said
    (shop / "stacks/workers.py").write_text("MOST = 3\n")
    _, told, _ = preview("--base", "main", "--offline", "--format", "json")
    assert list(stacks(told)) == ["dev", "prod"]
    git(shop, "checkout", "-q", ".")
    (shop / "readme.md").write_text("nothing of it")
    code, told, _ = preview("--base", "main", "--offline", "--format", "markdown")
    assert code == 0
    assert "no stack is touched" in told


def test_several_stacks_are_a_roll_up_or_a_file_each(shop: Path, preview: Preview, tmp_path: Path) -> None:
    _, told, _ = preview("-s", "dev", "-s", "prod", "--offline", "--format", "markdown")
    marker = Marker.parse(told)
    assert marker is not None
    assert marker.stack == ROLL_UP
    assert "2 stacks pass" in told
    preview("-s", "dev", "-s", "prod", "--offline", "--format", "markdown", "-o", f"{tmp_path}/out/")
    files = {path.name: Marker.parse(path.read_text()) for path in (tmp_path / "out").iterdir()}
    assert {name: marker and marker.stack for name, marker in files.items()} == {
        "dev.md": "dev",
        "prod.md": "prod",
    }


def test_a_program_that_does_not_import_is_a_report(shop: Path, preview: Preview, tmp_path: Path) -> None:
    (shop / "stacks/__main__.py").write_text("import nowhere_at_all\n")
    code, _, _ = preview(
        "-s", "dev", "--base", "main", "--offline", "--format", "markdown", "-o", str(tmp_path / "x.md")
    )
    told = (tmp_path / "x.md").read_text()
    assert code == 1
    assert "❌ dev: the preview failed: " in told
    assert "No module named" in told
    assert "nowhere_at_all" in told
    assert str(tmp_path) not in told


def test_a_base_that_cannot_be_had_is_a_note(preview: Preview) -> None:
    code, told, _ = preview("-s", "dev", "--base", "no-such-branch", "--offline", "--format", "json")
    assert code == 0
    assert any("`git rev-parse` failed" in note for note in stacks(told)["dev"]["notes"])


def test_an_unknown_stack_is_usage(preview: Preview) -> None:
    code, told, said = preview("-s", "producton", "--offline")
    assert (code, told) == (2, "")
    assert "Wanted: one of: dev, prod" in said


def test_a_head_that_is_no_commit_is_usage(preview: Preview) -> None:
    code, told, said = preview("-s", "dev", "--offline", "--head", "main -->")
    assert (code, told) == (2, "")
    assert "a commit in hex" in said


def test_a_report_that_cannot_be_written_is_said(preview: Preview, tmp_path: Path) -> None:
    code, _, said = preview("-s", "dev", "--offline", "-o", str(tmp_path / "no/such/x.md"))
    assert code == 1
    assert "cannot be written: No such file or directory" in said


def test_whatever_fails_is_a_report(preview: Preview, engine: Callable[..., None], shop: Path) -> None:
    engine([])
    (shop / ".venv/bin/pulumi").write_bytes(b"\0no program")
    code, told, _ = preview("-s", "dev", "--format", "markdown")
    assert code == 1
    assert "❌ dev: the preview failed: " in told


SUMMARY = event(
    9, summaryEvent={"durationSeconds": 1, "resourceChanges": {"create": 1}, "result": "succeeded"}
)
CREATED = event(1, resourcePreEvent=step("chat", "create", None, {"name": "chat-x7q"}))


def test_the_engine_tells_the_changes(preview: Preview, engine: Callable[..., None]) -> None:
    engine([CREATED, event(2, quantumEvent={}), SUMMARY])
    code, told, said = preview("-s", "dev", "--format", "json")
    one = stacks(told)["dev"]
    assert code == 0
    assert (one["basis"], one["counts"], one["unknownEvents"]) == (
        "engine",
        {"create": 1},
        {"quantumEvent": 1},
    )
    assert "dev: ok after" in said


def test_an_engine_that_breaks_off_is_a_failure_with_its_last_words(
    preview: Preview, engine: Callable[..., None]
) -> None:
    engine([CREATED], "panic: something\nerror: the engine is gone\n", 255)
    code, told, _ = preview("-s", "dev", "--format", "json")
    one = stacks(told)["dev"]
    assert (code, one["verdict"]) == (1, "failed")
    assert "the preview broke off: the engine is gone" in one["reason"]
    assert one["counts"] == {"create": 1}


@pytest.mark.parametrize(
    ("stderr", "code", "basis", "reason"),
    [
        ("error: the stack is currently locked by 1 lock(s)\n", 1, "engine", "pulumi cancel -s dev"),
        ("error: no stack named 'dev' found\n", 0, "declarations", "not in the backend yet"),
        ("error: PULUMI_ACCESS_TOKEN must be set for login\n", 0, "declarations", "cannot be reached"),
        ("error: failed to decrypt: incorrect passphrase\n", 0, "declarations", "cannot be reached"),
        ("", 1, "engine", "gave no reason"),
    ],
)
def test_an_engine_that_cannot_begin(
    preview: Preview, engine: Callable[..., None], stderr: str, code: int, basis: str, reason: str
) -> None:
    engine([], stderr, 255)
    got, told, _ = preview("-s", "dev", "--format", "json")
    one = stacks(told)["dev"]
    assert (got, one["basis"]) == (code, basis)
    assert reason in one["reason"]


def test_no_cli_at_all_is_said(preview: Preview) -> None:
    code, told, _ = preview("-s", "dev", "--format", "text")
    assert code == 0
    assert "no preview of the engine" in told


def test_credentials_of_this_process_come_out_of_no_report(
    preview: Preview, engine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "RUNPOD_API_KEY", "canary-5e1")
    engine([event(1, diagnosticEvent={"severity": "warning", "message": "sent canary-5e1"}), SUMMARY])
    _, told, _ = preview("-s", "dev", "--format", "json")
    assert "sent [secret]" in told
    assert "canary" not in told


def test_wrong_settings_of_rules_block(shop: Path, preview: Preview) -> None:
    (shop / "policies").mkdir()
    (shop / "policies/settings.yaml").write_text("no-such-rule: {}\n")
    code, told, _ = preview("-s", "dev", "--offline", "--format", "json")
    assert code == 3
    assert stacks(told)["dev"]["findings"][0]["policy"] == "settings"


def test_the_page_shows_what_else_an_endpoint_could_be(preview: Preview, tmp_path: Path) -> None:
    code, _, _ = preview(
        "-s", "dev", "--base", "main", "--offline", "--format", "html", "-o", str(tmp_path / "x.html")
    )
    told = (tmp_path / "x.html").read_text()
    assert code == 0
    assert told.count("<circle") > 5
    assert told.count('class="before"') == told.count('class="after"') == 1
