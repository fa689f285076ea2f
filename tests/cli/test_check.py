"""`pilotlight check` on real programs, previews and states."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from infra.cli import main

HEAD = "import pulumi\nfrom components import *\nfrom infra.spec.declarations import Budget\nfrom infra.runpod.sdk import Endpoint\n"
PINNED = f'image="r/x@sha256:{"0" * 64}"'
SMALL = f'ModelEndpoint("search", cloud="runpod", gpu="L4", {PINNED})\n'
DEAR = f'ModelEndpoint("search", cloud="runpod", gpu="H100", {PINNED}, budget=Budget(usd_per_month=5))\n'
TYPE = "pilotlight-runpod:index:Endpoint"
SIGNATURE = "4dabf18193072939515e22adb298388d"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`check(program, *arguments, settings="…")`: exit code, output and errors."""
    (tmp_path / "Pulumi.yaml").write_text(
        "name: shop\nruntime: python\nmain: stacks/\nstackConfigDir: stacks\n"
    )
    (tmp_path / "stacks").mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "stacks/Pulumi.dev.yaml").write_text("")
    monkeypatch.chdir(tmp_path)

    def run(program: str, *arguments: str, settings: str = "") -> tuple[int, str, str]:
        (tmp_path / "stacks/__main__.py").write_text(HEAD + program)
        (tmp_path / "policies/settings.yaml").write_text(settings)
        code = main.main(["check", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def urn(name: str = "search", stack: str = "dev") -> str:
    return f"urn:pulumi:{stack}::shop::pilotlight:index:ModelEndpoint${TYPE}::{name}"


def state(*resources: dict[str, Any]) -> str:
    return json.dumps({"version": 3, "deployment": {"resources": list(resources)}})


def resource(name: str = "search", stack: str = "dev", **inputs: Any) -> dict[str, Any]:
    return {"urn": urn(name, stack), "type": TYPE, "custom": True, "inputs": {"__pilotlight": "x", **inputs}}


def test_what_breaks_no_rule_passes_and_says_how_much_was_proved(check: Run) -> None:
    code, out, _ = check(SMALL)
    assert code == 0
    assert out.splitlines()[-1] == "dev: passes; 20 of 20 resource x rule pairs proved"


def test_what_breaks_a_rule_is_shown_at_its_line_with_the_number_and_ends_with_3(check: Run) -> None:
    code, out, _ = check(DEAR)
    assert code == 3
    assert "error: search at intent.budget (stacks/__main__.py, line 5) [endpoint-budget]" in out
    assert "over $5.00" in out
    assert out.splitlines()[-1].startswith("dev: blocked (1 error)")


def test_a_raw_resource_is_held_to_the_same_rules(check: Run) -> None:
    raw = f'Endpoint("raw", {PINNED}, gpu={{"pools": ["ADA_24"]}}, workers={{"max": 2}}, env={{"HF_TOKEN": "canary-77"}})\n'
    code, out, _ = check(raw, settings="endpoint-ceiling: {max_usd_per_month: 5}")
    assert code == 3
    assert all(rule in out for rule in ("[endpoint-ceiling]", "[plaintext-secret]", "[plannable]"))
    assert "canary" not in out


def test_secrets_of_a_program_are_no_plain_text_and_are_never_told(check: Run) -> None:
    raw = 'Endpoint("raw", image=pulumi.Output.secret("r/canary-77"), gpu={"pools": ["ADA_24"]}, env={"HF_TOKEN": pulumi.Output.secret("canary-88")}, type=pulumi.Output.secret("canary-99"))\n'
    for format in ("text", "json", "sarif", "junit"):
        code, out, err = check(raw, "--format", format, settings="image-digest: {severity: error}")
        assert code == 3
        assert "canary" not in out + err
        assert "plaintext-secret]" not in out
        assert "[secret]" in out


def test_what_a_provider_would_refuse_is_found_too(check: Run) -> None:
    code, out, _ = check(f'Endpoint("raw", {PINNED}, gpu={{"pools": ["ADA_24"]}}, workers={{"mix": 2}})\n')
    assert code == 3
    assert "[invalid-input]" in out
    assert "mix" in out


def test_the_settings_of_the_stack_and_its_exceptions_count(check: Run) -> None:
    settings = "exceptions: [{rule: endpoint-budget, resource: sea*, owner: ana, reason: r, expires: %s}]"
    code, out, _ = check(DEAR, settings=settings % "9999-12-31")
    assert code == 0
    assert "warning: search" in out
    code, out, _ = check(DEAR, settings=settings % "2020-01-01")
    assert code == 3
    assert "[endpoint-budget]" in out
    assert "[exception-expired]" in out


def test_the_stack_as_a_whole_is_judged(check: Run) -> None:
    raw = f'Endpoint("raw", {PINNED}, gpu={{"pools": ["ADA_24"]}}, workers={{"max": 2}})\n'
    code, out, _ = check(raw, settings="stack-budget: {max_usd_per_month: 5}")
    assert code == 3
    assert "error: the stack [stack-budget]" in out


@pytest.mark.parametrize(
    ("program", "arguments", "settings", "code", "said"),
    [
        ("1/0\n", [], "", 1, "ZeroDivisionError"),
        (SMALL, [], "stack-budget: {max_usd_per_month: 5}", 1, "over its budget of $5.00"),
        (SMALL, ["-s", "prd"], "", 1, "there is no stack 'prd'"),
        (SMALL, [], "image-digst: {}", 1, "did you mean image-digest?"),
        (SMALL, [], "exceptions: [{rule: regions, resource: a, owner: b, reason: c}]", 1, "expires"),
        (SMALL, ["--from", "none.json"], "", 1, "none.json cannot be read"),
        (SMALL, ["-o", "none/there.json"], "", 1, "cannot be written"),
    ],
)
def test_an_error_is_told_without_a_traceback(
    check: Run, program: str, arguments: list[str], settings: str, code: int, said: str
) -> None:
    ended, out, err = check(program, *arguments, settings=settings)
    assert ended == code
    assert said in err
    assert "Traceback" not in out + err


def test_wrong_usage_ends_with_2(check: Run) -> None:
    with pytest.raises(SystemExit) as ended:
        check(SMALL, "--format", "xml")
    assert ended.value.code == 2


def test_a_report_goes_to_a_file_and_the_verdict_to_the_terminal(check: Run, tmp_path: Path) -> None:
    code, out, err = check(DEAR, "--format", "sarif", "-o", "found.sarif")
    assert (code, out) == (3, "")
    assert "blocked" in err
    assert json.loads((tmp_path / "found.sarif").read_text())["version"] == "2.1.0"


def test_every_machine_form_says_the_same(check: Run) -> None:
    data = json.loads(check(DEAR, "--format", "json")[1])
    assert (data["version"], data["blocked"], data["stack"]) == (1, True, "dev")
    [finding] = data["findings"]
    assert finding["source"] == {"file": "stacks/__main__.py", "line": 5}
    assert (finding["rule"], finding["severity"], finding["data"]["limit"]) == (
        "endpoint-budget",
        "error",
        "5",
    )
    [run] = json.loads(check(DEAR, "--format", "sarif")[1])["runs"]
    [result] = run["results"]
    assert (result["ruleId"], result["level"]) == ("endpoint-budget", "error")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "endpoint-budget"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 5
    suites = ElementTree.fromstring(check(DEAR, "--format", "junit")[1])
    assert (suites.get("tests"), suites.get("failures")) == (str(data["pairs"]), "1")
    [failed] = [case for case in suites.iter("testcase") if case.find("failure") is not None]
    assert failed.get("classname") == "endpoint-budget"


class TestFiles:
    def test_a_state_is_judged_by_what_is_deployed(self, check: Run, tmp_path: Path) -> None:
        gone = resource("gone", image="r/y") | {"delete": True}
        (tmp_path / "s.json").write_text(
            state(resource(image="r/x"), gone, {"urn": urn("a"), "type": "x:y:Z"})
        )
        code, out, _ = check("", "--from", "s.json", settings="image-digest: {severity: error}")
        assert code == 3
        assert out.count("[image-digest]") == 1
        assert "gone" not in out

    def test_a_preview_is_judged_by_its_newest_states(self, check: Run, tmp_path: Path) -> None:
        steps = [
            {"op": "create", "urn": urn(), "newState": resource(image="r/x", env={"HF_TOKEN": "[secret]"})},
            {"op": "delete", "urn": urn("old"), "newState": resource("old", image="r/y")},
            {"op": "delete", "urn": urn("old"), "oldState": resource("old", image="r/y")},
        ]
        (tmp_path / "p.json").write_text(json.dumps({"steps": steps}))
        code, out, _ = check("", "--from", "p.json", settings="image-digest: {severity: error}")
        assert code == 3
        assert out.count("[image-digest]") == 1
        assert "plaintext" not in out

    def test_what_is_unknown_or_encrypted_is_not_judged_by_its_placeholder(
        self, check: Run, tmp_path: Path
    ) -> None:
        hidden = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}
        unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
        resources = resource(image=unknown, env={"HF_TOKEN": hidden}), resource("b", image=hidden)
        (tmp_path / "s.json").write_text(state(*resources))
        code, out, _ = check("", "--from", "s.json", settings="image-digest: {severity: error}")
        assert code == 0
        assert out.count("deferred: ") == 2

    def test_the_stack_is_the_file_s(self, check: Run, tmp_path: Path) -> None:
        (tmp_path / "s.json").write_text(state(resource(stack="prod", image="r/x")))
        settings = "stacks: {prod: {image-digest: {severity: error}}}"
        assert check("", "--from", "s.json", settings=settings)[0] == 3
        code, _, err = check("", "--from", "s.json", "-s", "dev", settings=settings)
        assert code == 1
        assert "prod" in err

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "3",
            "{}",
            '{"deployment": []}',
            '{"checkpoint": 3}',
            '{"deployment": {"resources": 3}}',
            '{"deployment": {"resources": [3]}}',
            '{"steps": [{"newState": {"urn": 3}}]}',
            "[" * 100_000,
            "\x00",
            '{"deployment": {"resources": [{"urn": "x"}]}, "steps": 3}',
            '{"steps": {}}',
        ],
    )
    def test_what_is_neither_is_told(self, check: Run, tmp_path: Path, text: str) -> None:
        (tmp_path / "s.json").write_text(text)
        code, out, err = check("", "--from", "s.json")
        assert "Traceback" not in out + err
        assert (code, "s.json" in err) in ((1, True), (0, False))

    def test_odd_inputs_break_nothing(self, check: Run, tmp_path: Path) -> None:
        odd: list[Any] = [
            {"inputs": 3},
            {"inputs": {"gpu": 3, "workers": [], "env": 7, "intent": [1]}},
            {"type": 3},
        ]
        resources = [resource(f"r{index}") | one for index, one in enumerate(odd)]
        (tmp_path / "s.json").write_text(state(*resources))
        code, out, err = check("", "--from", "s.json", settings="endpoint-ceiling: {max_usd_per_month: 5}")
        assert code == 3
        assert "Traceback" not in out + err


NASTY = "a\n::error::pwn\x1b[31m\x00](javascript:1) <b>|`*\ud800\u202e"


@pytest.mark.parametrize("format", ["text", "json", "sarif", "junit"])
def test_names_may_hold_anything(check: Run, tmp_path: Path, format: str) -> None:
    (tmp_path / "s.json").write_text(state(resource(NASTY, image=f"[x](http://e.example) {NASTY}")))
    code, _, _ = check(
        "", "--from", "s.json", "--format", format, "-o", "r", settings="image-digest: {severity: error}"
    )
    text = (tmp_path / "r").read_text()
    assert code == 3
    if format == "text":
        assert "\x1b" not in text
        assert "\n::error::" not in text
        assert "\u202e" not in text
    elif format == "junit":
        assert len(list(ElementTree.fromstring(text).iter("failure"))) == 1
    else:
        assert json.loads(text)
    if format == "sarif":
        assert any("\\[x](http" in one["message"]["text"] for one in json.loads(text)["runs"][0]["results"])
