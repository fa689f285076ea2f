"""What a declaration leaves open is filled from the file that was reviewed, else by the plan, which says so."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.planning.recorded import PlacementError, Placements, Recorded, read, write
from infra.spec.declarations import EndpointSpec, Workers, parse
from tests.components.recorder import APP, ENDPOINT, Recorder, run

OPEN = {"cloud": "auto", "gpu": "auto", "workers": "auto"}
TRAFFIC = {"requests_per_hour": 20, "service_s": 1}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: pilotlight\nruntime: python\n")
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path / "stacks")
    return tmp_path


def recorded(**values: Any) -> Recorded:
    given = {
        "cloud": "modal",
        "gpu": ["A10G"],
        "workers": {"min": 1, "max": 4},
        "idle_timeout_s": 300,
        "decided": "2026-11-24",
        "price_book": "market-2026-11",
        "reasons": ["traffic is quiet"],
        **values,
    }
    return parse(Recorded, given, subject="x")


def endpoint(**values: Any) -> Any:
    from components import ModelEndpoint, ModelImage

    image = ModelImage("chat", handler="stacks/search")
    return ModelEndpoint("chat", image=image, **{**OPEN, "traffic": TRAFFIC, **values})


def record(project: Path, **placements: Recorded) -> None:
    (project / "stacks/placement.dev.yaml").write_text(write(Placements(placements), "dev"))


def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    return said


def test_a_recorded_placement_is_taken_without_a_word(
    recorder: Recorder, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = warnings(monkeypatch)
    record(project, chat=recorded())
    run(lambda: endpoint().url)
    model = recorder.seen[f"{APP}::chat"].inputs["classes"]["Model"]
    assert model["gpu"] == ["A10"]
    assert recorder.seen[f"{APP}::chat"].inputs["intent"]["placed"] == [
        *("cloud", "fast_boot", "gpu", "gpu_count", "idle_timeout_s", "workers")
    ]
    assert (model["minContainers"], model["maxContainers"], model["scaledownWindowS"]) == (1, 4, 300)
    assert said == []


def test_what_the_program_names_goes_before_the_file(recorder: Recorder, project: Path) -> None:
    record(project, chat=recorded())
    run(lambda: endpoint(gpu="L4", idle_timeout_s=30).url)
    model = recorder.seen[f"{APP}::chat"].inputs["classes"]["Model"]
    assert (model["gpu"], model["scaledownWindowS"], model["maxContainers"]) == (["L4"], 30, 4)


def test_what_is_not_recorded_is_decided_and_said(
    recorder: Recorder, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = warnings(monkeypatch)
    record(project, another=recorded())
    run(lambda: endpoint().url)
    assert any(key in recorder.seen for key in (f"{APP}::chat", f"{ENDPOINT}::chat"))
    [warning] = said
    assert "`pilotlight plan -s dev --write`" in warning


def test_a_file_that_is_wrong_stops_the_program(recorder: Recorder, project: Path) -> None:
    (project / "stacks/placement.dev.yaml").write_text("version: 1\nendpoints: {chat: {cloud: modl}}\n")
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: endpoint().url)
    assert "stacks/placement.dev.yaml: chat" in str(caught.value)
    assert "Nearest: modal" in str(caught.value)


def test_what_is_written_is_read_back() -> None:
    kept = {"a": recorded(), "b": recorded(cloud="runpod", gpu=None, usd_per_month="12.50")}
    assert read(write(Placements(kept), "dev"), "x").endpoints == kept


@pytest.mark.parametrize(
    "text", ["[", "- 1", "version: 2", "version: 1\nendpoints: [a]", "version: 1\nendpoints: {a: 1}"]
)
def test_no_other_text_is_taken_for_placements(text: str) -> None:
    with pytest.raises(PlacementError, match="file"):
        read(text, "the file")


def test_a_placement_fills_only_what_is_open() -> None:
    spec = parse(EndpointSpec, {"cloud": "runpod", "gpu": "L4", "workers": "auto"}, subject="x")
    filled = recorded().fill(spec)
    assert (filled.cloud.value, filled.gpu, filled.workers) == ("runpod", ["L4"], Workers(min=1, max=4))


def test_an_slo_that_no_place_meets_names_the_best_there_is(recorder: Recorder, project: Path) -> None:
    with pytest.raises(pulumi.RunError, match="endpoint 'chat'") as caught:
        run(lambda: endpoint(slo={"cold_start_p95_s": 0.01}).url)
    assert "The nearest is modal" in str(caught.value)
