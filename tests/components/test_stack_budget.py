"""The stack's budget is held as the program declares: what crosses it is named, and never registered."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.components.recorder import ENDPOINT, POD, Recorder, run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: pilotlight\nruntime: python\n")
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(project: Path, text: str) -> None:
    (project / "policies/settings.yaml").write_text(text)


def endpoint(name: str, **values: Any) -> Any:
    from components import ModelEndpoint, Workers

    given = {"cloud": "runpod", "gpu": "L4", "workers": Workers(max=1), **values}
    return ModelEndpoint(name, image="r/x@sha256:0", **given)


def two() -> Any:
    endpoint("first")
    return endpoint("second").url


def test_the_endpoint_that_crosses_the_budget_is_named_and_not_registered(
    recorder: Recorder, project: Path
) -> None:
    settings(project, "stack-budget: {max_usd_per_month: 600}")
    with pytest.raises(pulumi.RunError) as caught:
        run(two)
    assert "'second' costs up to $499.32" in str(caught.value)
    assert "first $499.32" in str(caught.value)
    assert "$998.64, over its budget of $600.00" in str(caught.value)
    assert f"{ENDPOINT}::second" not in recorder.seen


def test_what_stays_within_passes_and_each_program_counts_anew(recorder: Recorder, project: Path) -> None:
    settings(project, "stack-budget: {max_usd_per_month: 1000}")
    run(two)
    assert f"{ENDPOINT}::second" in recorder.seen


def test_a_stack_has_a_budget_of_its_own(recorder: Recorder, project: Path) -> None:
    settings(
        project,
        "stack-budget: {max_usd_per_month: 10}\nstacks: {dev: {stack-budget: {max_usd_per_month: 9999}}}",
    )
    run(two)


@pytest.mark.parametrize(
    "more",
    [
        "stack-budget: {max_usd_per_month: 1, severity: warning}",
        "stack-budget: {max_usd_per_month: 1}\nexceptions:\n"
        "  - {rule: stack-budget, resource: '*', owner: ml, reason: launch, expires: 2999-01-01}",
        "image-digest: {severity: warning}",
    ],
)
def test_a_budget_that_only_warns_or_is_excepted_is_left_to_the_other_gates(
    recorder: Recorder, project: Path, more: str
) -> None:
    settings(project, more)
    run(two)


def test_machines_count_and_an_unknown_price_never_counts_as_nothing(
    recorder: Recorder, project: Path
) -> None:
    from components import ModelMachine

    settings(project, "stack-budget: {max_usd_per_month: 3000}")
    run(lambda: ModelMachine("lab", image="a@sha256:0", gpu="H100").resource.id)
    assert f"{POD}::lab" in recorder.seen
    with pytest.raises(pulumi.RunError, match="no known price"):
        run(lambda: ModelMachine("odd", image="a@sha256:0", gpu="L4").resource.id)


def test_a_machine_and_an_endpoint_of_one_name_both_count(recorder: Recorder, project: Path) -> None:
    from components import ModelMachine

    def program() -> Any:
        endpoint("lab")
        return ModelMachine("lab", image="a@sha256:0", gpu="H100").resource.id

    settings(project, "stack-budget: {max_usd_per_month: 3000}")
    with pytest.raises(pulumi.RunError, match=r"lab \$499\.32"):
        run(program)


def test_settings_that_are_wrong_stop_the_program(recorder: Recorder, project: Path) -> None:
    settings(project, "stack-budget: {max_usd_per_month: -3}")
    with pytest.raises(pulumi.RunError, match="greater than 0"):
        run(two)
