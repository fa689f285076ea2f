"""What a pipeline's declaration registers: a function for each step, the entry, and what all of it can cost."""

import json
from typing import Any

import pulumi
import pytest

from tests.components.recorder import APP, SECRET, VOLUME, Recorder, run


def pipeline(*steps: Any, **values: Any) -> Any:
    from components import CpuSpec, ModelImage, ModelPipeline, Step, Workers

    image = ModelImage("ranking", handler="stacks/examples/pipeline")
    few = Workers(max=1)
    usual = (
        Step(entry="clean.py:clean", cpu=CpuSpec(vcpu=1, memory_gib=0.25), timeout_s=20, workers=few),
        Step(entry="embed.py:embed", gpu="L4", cpu=CpuSpec(vcpu=4), timeout_s=120, retries=2, workers=few),
        Step(entry="rank.py:rank", timeout_s=20, idle_timeout_s=5, workers=few),
    )
    return ModelPipeline("ranking", image=image, steps=steps or usual, **{"workers": few, **values})


def app(recorder: Recorder) -> dict[str, Any]:
    inputs: dict[str, Any] = recorder.seen[f"{APP}::ranking"].inputs
    return inputs


def refusal(*steps: Any, **values: Any) -> str:
    with pytest.raises(pulumi.RunError, match="pipeline 'ranking'") as caught:
        run(lambda: pipeline(*steps, **values).url)
    return str(caught.value)


def test_each_step_is_a_function_on_a_machine_of_its_own(recorder: Recorder) -> None:
    run(lambda: pipeline().url)
    functions = app(recorder)["functions"]
    clean, embed, rank = functions["clean"], functions["embed"], functions["rank"]
    assert (clean["entry"], clean["cpu"], clean["memoryMib"]) == ("clean.py:clean", 0.5, 256)
    assert clean["gpu"] == []
    assert (embed["gpu"], embed["cpu"], embed["timeoutS"]) == (["L4"], 2, 120)
    assert embed["retries"] == {"maxRetries": 2}
    assert (rank["scaledownWindowS"], rank["maxContainers"]) == (5, 1)


def test_the_entry_knows_the_order_and_waits_for_the_slowest(recorder: Recorder) -> None:
    run(lambda: pipeline().url)
    inputs = app(recorder)
    assert inputs["env"] == {"PILOTLIGHT_STEPS": "clean,embed,rank"}
    entry = inputs["classes"]["Model"]
    assert entry["timeoutS"] == (20 + 60) + (3 * 120 + 60) + (20 + 60)
    assert entry["maxConcurrentInputs"] == 16
    assert entry["web"] == {"requiresProxyAuth": True}


def test_a_value_of_several_lines_is_no_line_of_the_image(recorder: Recorder) -> None:
    run(lambda: pipeline(env={"KEY": "-----BEGIN\nx\n", "MODE": "fast"}).url)
    assert set(app(recorder)["env"]) == {"PILOTLIGHT_STEPS", "MODE"}
    assert recorder.seen[f"{SECRET}::ranking"].inputs["values"] == {"KEY": "-----BEGIN\nx\n"}


def test_a_secret_value_reaches_every_step_and_never_the_image(recorder: Recorder) -> None:
    run(lambda: pipeline(env={"TOKEN": pulumi.Output.secret("canary")}).url)
    inputs = app(recorder)
    assert "canary" not in json.dumps(inputs)
    services = [*inputs["functions"].values(), *inputs["classes"].values()]
    assert [service["secrets"] for service in services] == [[{"name": "search-1a2b"}]] * 4
    assert f"{SECRET}::ranking" in recorder.seen


def test_a_step_mounts_a_volume_of_the_program(recorder: Recorder) -> None:
    from components import Step, VolumeMount

    def program() -> Any:
        from components import ModelVolume

        mount = VolumeMount(volume=ModelVolume("models"), path="/models")
        return pipeline(Step(entry="embed.py:embed", volumes=[mount])).url

    run(program)
    assert f"{VOLUME}::models" in recorder.seen
    embed = app(recorder)["functions"]["embed"]
    assert embed["volumes"] == {"/models": {"name": "volume-1a2b", "readOnly": False}}


def test_it_is_exported_as_an_endpoint_is(recorder: Recorder) -> None:
    def check(summary: dict[str, Any]) -> None:
        assert set(summary) == {"cloud", "kind", "url", "image", "weights", "plan"}
        assert (summary["cloud"], summary["url"]) == ("modal", "http://127.0.0.1:1/w/search")
        cost = summary["plan"]["usdPerMonth"]
        assert cost["floor"] == "0.00"
        # the L4 alone, all month, is the larger part of the ceiling
        assert 500 < float(cost["ceiling"]) < 1000
        assert summary["plan"]["gpu"] == ["L4"]

    run(lambda: pulumi.Output.from_input(pipeline().summary()).apply(check))


def test_what_cannot_run_is_explained_at_its_step(recorder: Recorder) -> None:
    from components import Step

    said = refusal(Step(entry="a.py:a", gpu="L5"), Step(entry="b.py:b", gpu="A10G", gpu_count=8))
    assert "steps[0].gpu[0]" in said
    assert "steps[1].gpu_count" in said
    assert f"{APP}::ranking" not in recorder.seen


def test_names_that_clash_are_refused(recorder: Recorder) -> None:
    from components import Step

    assert "embed given twice" in refusal(Step(entry="a.py:embed"), Step(entry="b.py:embed"))
    assert "the entry's" in refusal(Step(entry="a.py:Model"))


def test_an_entry_that_would_give_up_before_a_step_is_refused(recorder: Recorder) -> None:
    assert "one step alone may take 120 s" in refusal(timeout_s=60)


def test_runpod_is_refused_with_what_works_there(recorder: Recorder) -> None:
    said = refusal(cloud="runpod")
    assert "call no functions of each other's" in said
    assert "one endpoint for each step" in said
