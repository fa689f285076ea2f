"""`pilotlight plan` on real programs: what it says, what it records, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.cli import main
from infra.planning.recorded import read

HEAD = "from components import *\nfrom infra.spec.declarations import Slo, Traffic\n"
QUIET = "Traffic(requests_per_hour=20, service_s=1)"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`plan(declarations, *arguments)`: each declaration is (name, keyword arguments as source)."""
    (tmp_path / "Pulumi.yaml").write_text(
        "name: shop\nruntime: python\nmain: stacks/\nstackConfigDir: stacks\n"
    )
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/Pulumi.dev.yaml").write_text("")
    monkeypatch.chdir(tmp_path)

    def run(declared: dict[str, str], *arguments: str) -> tuple[int, str, str]:
        lines = [
            f'ModelEndpoint("{name}", image="r/x@sha256:{"0" * 64}", {given})'
            for name, given in declared.items()
        ]
        (tmp_path / "stacks/__main__.py").write_text(HEAD + "\n".join(lines) + "\n")
        code = main.main(["plan", "-s", "dev", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_it_says_cost_waiting_cold_start_and_what_would_be_cheaper(plan: Run) -> None:
    code, said, _ = plan({"chat": f'cloud="runpod", gpu="H100", traffic={QUIET}'})
    assert code == 0
    for word in (
        "chat: runpod H100",
        "floor",
        "expected",
        "waiting",
        "cold start",
        "cheapest",
        "because",
        "not ",
    ):
        assert word in said
    assert "a guess" in said


def test_without_traffic_it_says_what_it_needs(plan: Run) -> None:
    code, said, _ = plan({"chat": 'cloud="runpod", gpu="L4"'})
    assert code == 0
    assert "cannot be told without traffic" in said


def test_an_slo_that_is_missed_is_the_exit_code(plan: Run) -> None:
    code, said, _ = plan({"chat": f'cloud="runpod", gpu="L4", traffic={QUIET}, slo=Slo(cold_start_p95_s=5)'})
    assert code == 3
    assert "misses       cold start p95" in said


def test_the_machine_form_is_whole_json(plan: Run) -> None:
    _, said, _ = plan(
        {"a": f'cloud="runpod", gpu="L4", traffic={QUIET}', "b": 'cloud="runpod", gpu="L4"'}, "--json"
    )
    data: dict[str, Any] = json.loads(said)
    assert (data["version"], data["stack"]) == (1, "dev")
    first, second = data["endpoints"]
    assert first["plan"]["cost"]["expected"] is not None
    assert first["search"]["chosen"]["cloud"] in ("modal", "runpod")
    assert second["search"] is None
    assert "expected" not in data["usdPerMonth"]  # one of them has none


def test_a_trace_takes_the_place_of_the_declared_traffic(plan: Run, tmp_path: Path) -> None:
    lines = [f"2026-11-0{day}T{hour:02}:00:00Z,2.5" for day in (1, 2, 3) for hour in range(24)]
    trace = tmp_path / "requests.csv"
    trace.write_text("timestamp,duration_s\n" + "\n".join(lines) + "\n")
    _, said, _ = plan({"chat": 'cloud="runpod", gpu="L4"'}, "--trace", str(trace), "--json")
    found = json.loads(said)["endpoints"][0]["plan"]
    assert found["basis"] == "trace"
    assert found["requests_per_month"] == pytest.approx(730, rel=0.05)


def test_open_endpoints_are_recorded_and_kept(plan: Run, tmp_path: Path) -> None:
    open_ = f'cloud="auto", gpu="auto", workers="auto", traffic={QUIET}'
    code, _, said = plan({"chat": open_, "fixed": 'cloud="runpod", gpu="L4"'}, "--write")
    assert code == 0
    assert "chat: placed on" in said
    file = tmp_path / "stacks/placement.dev.yaml"
    first = file.read_text()
    assert list(read(first, "x").endpoints) == ["chat"]
    _, shown, said = plan({"chat": open_}, "--write")
    assert "chat: kept as recorded on" in said
    assert file.read_text() == first
    assert "placed       cloud" in shown


def test_a_recorded_placement_gives_way_to_one_that_saves_more_than_the_margin(
    plan: Run, tmp_path: Path
) -> None:
    open_ = f'cloud="auto", gpu="auto", workers="auto", traffic={QUIET}'
    plan({"chat": open_}, "--write")
    file = tmp_path / "stacks/placement.dev.yaml"
    dear = file.read_text()
    [kept] = read(dear, "x").endpoints.values()
    file.write_text(dear.replace(f"- {kept.gpu[0]}", "- H200"))
    _, _, said = plan({"chat": open_}, "--write")
    assert "chat: moved to" in said
    file.write_text(dear.replace(f"- {kept.gpu[0]}", "- H200"))
    _, _, said = plan({"chat": open_}, "--write", "--margin", "0.99")
    assert "chat: kept" in said


def test_the_plot_is_one_page_with_nothing_from_elsewhere(plan: Run, tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    plan({"a<b": f'cloud="runpod", gpu="L4", traffic={QUIET}'}, "--plot", str(page))
    text = page.read_text()
    assert "a&lt;b" in text
    assert "<circle" in text
    assert 'class="chosen"' in text
    assert "http" not in text
    assert "NaN" not in text


@pytest.mark.parametrize(
    ("declared", "arguments", "said"),
    [
        ({}, (), "declares no endpoint"),
        ({"chat": 'cloud="runpod", gpu="L4"'}, ("chta",), "did you mean chat?"),
        ({"chat": 'cloud="runpod", gpu="L5"'}, (), "gpu[0]"),
        ({"chat": 'cloud="auto", gpu="L4"'}, (), "nothing is known of its traffic"),
        ({"chat": 'cloud="runpod", gpu="L4"'}, ("--trace", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_what_cannot_be_planned_is_explained(
    plan: Run, declared: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    code, _, error = plan(declared, *arguments)
    assert code == 1
    assert said in error
    assert "Traceback" not in error
