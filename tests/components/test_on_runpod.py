"""Jobs, machines, secrets and registries on RunPod: what each declaration registers, and where it is refused."""

import json
from typing import Any

import pulumi
import pytest

from tests.components.recorder import (
    APP,
    ENDPOINT,
    NETWORK_VOLUME,
    POD,
    REGISTRY,
    RUNPOD_SECRET,
    Recorder,
    run,
)

IMAGE = "pilotlight-artifacts:index:Image"


def image() -> Any:
    from components import ModelImage

    return ModelImage("tune", handler="stacks/examples/training")


def job(**values: Any) -> Any:
    from components import TrainingJob

    settings = {"cloud": "runpod", "entry": "train.py:train", "gpu": "A100-80GB", **values}
    return TrainingJob("tune", image=image(), **settings)


def volume(name: str = "data", region: str = "EU-RO-1") -> Any:
    from components import ModelVolume

    return ModelVolume(name, size_gib=50, regions=[region])


def machine(**values: Any) -> Any:
    from components import ModelMachine

    return ModelMachine("lab", **{"image": "team/lab@sha256:0", "gpu": "H100", **values})


def refusal(make: Any) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: make().resource.id)
    return str(caught.value)


def test_a_job_is_a_pod_that_runs_once_and_trains_on_its_own_disk(recorder: Recorder) -> None:
    run(lambda: job(arguments={"steps": 9}, run="second", retries=2, timeout_s=60).resource.id)
    pod = recorder.seen[f"{POD}::tune"].inputs
    assert recorder.seen[f"{IMAGE}::tune-train"].inputs["template"] == "runpod-job"
    assert recorder.seen[f"{IMAGE}::tune-train"].inputs["functions"] == ["train.py:train"]
    assert (pod["desiredState"], pod["args"]) == ("ONCE", "train.py:train")
    assert pod["gpu"] == {"id": "NVIDIA A100 80GB PCIe", "count": 1}
    assert pod["volume"] == {"sizeGb": 20, "path": "/checkpoints"}
    assert pod["env"] == {
        "PILOTLIGHT_CHECKPOINTS": "/checkpoints",
        "PILOTLIGHT_JOB_ARGUMENTS": '{"steps": 9}',
        "PILOTLIGHT_JOB_RETRIES": "2",
        "PILOTLIGHT_JOB_RUN": "second",
        "PILOTLIGHT_JOB_TIMEOUT_S": "60",
    }


def test_a_job_keeps_its_checkpoints_on_the_volume_that_it_is_given(recorder: Recorder) -> None:
    run(lambda: job(volumes=[volume()]).resource.id)
    pod = recorder.seen[f"{POD}::tune"].inputs
    assert pod["networkVolume"] == {"id": "data-id", "path": "/volume"}
    assert pod["networkVolumeDataCenter"] == "EU-RO-1"
    assert pod["env"]["PILOTLIGHT_CHECKPOINTS"] == "/volume"
    assert "volume" not in pod


def test_what_one_run_costs_at_most_is_told(recorder: Recorder) -> None:
    plan = {}
    run(lambda: plan.update(job(timeout_s=3600, retries=1).plan))
    assert plan["usdPerStart"] == {"ceiling": "3.58"}  # two attempts of an hour at $1.79


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gpu": ["A100-80GB", "H100"]}, "gpu: a pod is created with one GPU type"),
        ({"gpu": "L5"}, "gpu[0]"),
        ({"gpu": "A10G"}, "RunPod rents no A10G"),
        ({"gpu": None}, "a CPU pod has no disk of its own"),
        ({"tags": {"team": "a"}}, "RunPod's pods have no tags"),
        ({"run": "a b"}, "run"),
    ],
)
def test_what_no_pod_can_do_is_refused(recorder: Recorder, values: dict[str, Any], said: str) -> None:
    assert said in refusal(lambda: job(**values))
    assert f"{POD}::tune" not in recorder.seen


def test_a_job_and_its_volume_must_be_in_one_place(recorder: Recorder) -> None:
    assert "regions[0]: the volume is in EU-RO-1" in refusal(
        lambda: job(volumes=[volume()], regions=["US-KS-2"])
    )
    assert "given beside a volume" in refusal(lambda: job(volumes=[volume("b")], checkpoint_gib=30))


def test_a_machine_stands_beside_what_scales_to_zero(recorder: Recorder) -> None:
    run(lambda: machine(volumes=[volume()], ports=["8888/http"], ssh=True).resource.id)
    pod = recorder.seen[f"{POD}::lab"].inputs
    assert (pod["image"], pod["desiredState"]) == ("team/lab@sha256:0", "RUNNING")
    assert pod["networkVolume"] == {"id": "data-id", "path": "/volume"}
    assert (pod["ports"], pod["startSsh"]) == (["8888/http"], True)


def test_a_machine_that_is_stopped_costs_nothing(recorder: Recorder) -> None:
    plans: list[Any] = []
    run(lambda: plans.append(machine().plan))
    run(lambda: plans.append(machine(running=False).plan))
    assert [plan["usdPerMonth"]["ceiling"] for plan in plans] == ["2912.70", "0.00"]


def test_modal_rents_no_machines(recorder: Recorder) -> None:
    assert "Modal rents no machines by the hour" in refusal(lambda: machine(cloud="modal"))


def endpoint(cloud: str, **values: Any) -> Any:
    from components import ModelEndpoint, ModelImage

    made = ModelImage("search", handler="stacks/search")
    return ModelEndpoint("search", **{"image": made, "cloud": cloud, "gpu": "L4", **values})


def test_a_secret_is_put_into_the_cloud_that_uses_it_and_referred_to(recorder: Recorder) -> None:
    from components import ModelSecret

    def program() -> Any:
        token = ModelSecret("hf-token", value=pulumi.Output.secret("canary"))
        return endpoint("runpod", secrets=[token]).url

    run(program)
    assert recorder.seen[f"{RUNPOD_SECRET}::hf-token"].inputs["value"]["value"] == "canary"
    worker = recorder.seen[f"{ENDPOINT}::search"].inputs
    assert worker["env"]["HF_TOKEN"] == "{{ RUNPOD_SECRET_hf-token_1a2b }}"
    assert "canary" not in json.dumps(
        {key: seen.inputs for key, seen in recorder.seen.items() if "Secret" not in key}
    )


def test_the_same_secret_on_modal_is_a_secret_of_modal(recorder: Recorder) -> None:
    from components import ModelSecret

    run(lambda: endpoint("modal", secrets=[ModelSecret("hf-token", value="v")]).url)
    assert recorder.seen["pilotlight-modal:index:Secret::hf-token"].inputs["values"]["value"] == {
        "HF_TOKEN": "v"
    }
    worker = recorder.seen[f"{APP}::search"].inputs["classes"]["Model"]
    assert worker["secrets"] == [{"name": "search-1a2b", "requiredKeys": ["HF_TOKEN"]}]
    assert f"{RUNPOD_SECRET}::hf-token" not in recorder.seen


def test_credentials_of_a_registry_go_by_reference(recorder: Recorder) -> None:
    from components import ImageRegistry

    def program() -> Any:
        ghcr = ImageRegistry("ghcr", username="ci", password="canary")
        return endpoint("runpod", image="ghcr.io/team/x@sha256:0", registry=ghcr).url

    run(program)
    assert recorder.seen[f"{REGISTRY}::ghcr"].inputs["username"] == "ci"
    assert recorder.seen[f"{ENDPOINT}::search"].inputs["registryId"] == "ghcr-id"


def test_on_modal_credentials_without_an_image_to_pull_are_refused(recorder: Recorder) -> None:
    from components import ImageRegistry

    said = refusal(lambda: endpoint("modal", registry=ImageRegistry("ghcr", username="ci", password="x")))
    assert "registry: given, and the image has no base to pull" in said


def test_a_volume_elsewhere_than_its_workers_is_refused_at_preview(recorder: Recorder) -> None:
    said = refusal(lambda: endpoint("runpod", volumes=[volume()], regions=["EU-RO-1", "US-KS-2"]))
    assert "a worker in US-KS-2 would be without its volume, which is in EU-RO-1" in said
    assert f"{ENDPOINT}::search" not in recorder.seen
    assert f"{NETWORK_VOLUME}::data" in recorder.seen
