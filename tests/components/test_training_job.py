"""What a training job's declaration registers: one function, its checkpoints' volume, and what a start can cost."""

from typing import Any

import pulumi
import pytest

from tests.components.recorder import APP, VOLUME, Recorder, run


def job(name: str = "tune", **values: Any) -> Any:
    from components import ModelImage, TrainingJob

    image = ModelImage(name, handler="stacks/examples/training")
    settings = {"entry": "train.py:train", "gpu": ["H100", "A100-80GB"], "timeout_s": 3600, **values}
    return TrainingJob(name, image=image, **settings)


def refusal(**values: Any) -> str:
    with pytest.raises(pulumi.RunError, match="job 'tune'") as caught:
        run(lambda: job(**values).resource.name)
    return str(caught.value)


def test_it_is_one_function_with_a_volume_of_its_own(recorder: Recorder) -> None:
    run(lambda: job(retries=2).resource.name)
    assert f"{VOLUME}::tune-checkpoints" in recorder.seen
    inputs = recorder.seen[f"{APP}::tune"].inputs
    [(name, function)] = inputs["functions"].items()
    assert (name, function["entry"]) == ("train", "train.py:train")
    assert function["gpu"] == ["H100", "A100-80GB"]
    assert (function["timeoutS"], function["retries"]) == (3600, {"maxRetries": 2})
    assert function["volumes"] == {"/checkpoints": {"name": "volume-1a2b"}}
    assert inputs["env"] == {
        "PILOTLIGHT_CHECKPOINTS": "/checkpoints",
        "PILOTLIGHT_CHECKPOINT_VOLUME": "volume-1a2b",
    }


def test_two_runs_never_write_the_same_checkpoints_at_once(recorder: Recorder) -> None:
    run(lambda: job().resource.name)
    function = recorder.seen[f"{APP}::tune"].inputs["functions"]["train"]
    assert (function["maxContainers"], function["singleUseContainers"]) == (1, True)


def test_it_takes_a_volume_that_is_there(recorder: Recorder) -> None:
    run(lambda: job(checkpoints="kept", checkpoint_path="/runs").resource.name)
    assert not [key for key in recorder.seen if key.startswith(VOLUME)]
    inputs = recorder.seen[f"{APP}::tune"].inputs
    assert inputs["functions"]["train"]["volumes"] == {"/runs": {"name": "kept"}}
    assert inputs["env"]["PILOTLIGHT_CHECKPOINT_VOLUME"] == "kept"


def test_a_start_has_a_ceiling(recorder: Recorder) -> None:
    def program() -> Any:
        once, thrice = job(retries=0), job("again", retries=2)
        return pulumi.Output.all(once.summary(), thrice.summary()).apply(check)

    def check(summaries: list[dict[str, Any]]) -> None:
        once, _ = summaries
        assert (once["app"], once["function"]) == ("app-1a2b", "train")
        assert once["checkpoints"] == "volume-1a2b"
        hour, hours = (float(each["plan"]["usdPerStart"]["ceiling"]) for each in summaries)
        assert 3.9 < hour < 4.1  # an H100 for an hour, the dearer of the two
        assert hours == pytest.approx(3 * hour, abs=0.02)

    run(program)


def test_what_is_wrong_is_explained(recorder: Recorder) -> None:
    from components import VolumeMount

    assert "a job is not placed" in refusal(cloud="auto")
    assert "brings the arguments" in refusal(arguments={"steps": 3})
    assert "grows by itself" in refusal(checkpoint_gib=30)
    assert "entry" in refusal(entry="train.py")
    assert "gpu[0]" in refusal(gpu="L5")
    assert "retries" in refusal(retries=11)
    assert "absolute path" in refusal(checkpoint_path="checkpoints")
    assert "mounted twice" in refusal(volumes=[VolumeMount(volume="x", path="/checkpoints")])
    assert f"{APP}::tune" not in recorder.seen
