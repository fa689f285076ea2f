"""A volume that a program declares: what it becomes, who may mount it, and where it is refused."""

from typing import Any

import pulumi
import pytest

from tests.components.recorder import APP, ENDPOINT, NETWORK_VOLUME, VOLUME, Recorder, run


def endpoint(volume: Any, **values: Any) -> Any:
    from components import ModelEndpoint, ModelImage, VolumeMount

    image = ModelImage("search", handler="stacks/search")
    mounts = [VolumeMount(volume=volume, path="/cache", read_only=True)]
    settings = {"cloud": "modal", "gpu": "L4", "volumes": mounts, **values}
    return ModelEndpoint("search", image=image, **settings)


def volume(name: str = "cache", **values: Any) -> Any:
    from components import ModelVolume

    return ModelVolume(name, **values)


def test_it_is_a_volume_of_version_2(recorder: Recorder) -> None:
    run(lambda: volume(force_destroy=True).volume_name)
    inputs = recorder.seen[f"{VOLUME}::cache"].inputs
    assert inputs["version"] == 2
    assert inputs["forceDestroy"] is True
    assert "name" not in inputs


def test_an_endpoint_mounts_it_under_the_name_that_the_cloud_gave_it(recorder: Recorder) -> None:
    run(lambda: endpoint(volume()).url)
    inputs = recorder.seen[f"{APP}::search"].inputs
    mounted = inputs["classes"]["Model"]["volumes"]
    assert mounted == {"/cache": {"name": "volume-1a2b", "readOnly": True}}
    assert inputs["intent"]["volumes"] == [{"volume": "cache", "path": "/cache", "read_only": True}]


def test_the_stack_s_settings_go_over_the_program_s(recorder: Recorder) -> None:
    pulumi.runtime.set_all_config({"pilotlight:volumes": '{"cache": {"volume_name": "kept"}}'})
    run(lambda: volume().volume_name)
    assert recorder.seen[f"{VOLUME}::cache"].inputs["name"] == "kept"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cloud": "auto"}, "a volume is not placed"),
        ({"cloud": "modal", "size_gib": 50}, "Modal's volumes grow by themselves"),
        ({"cloud": "runpod"}, "size_gib is not set"),
        ({"size_gib": 50}, "regions has none"),
        ({"size_gib": 50, "regions": ["EU-RO-1", "US-KS-2"]}, "the one data center"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    recorder: Recorder, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(pulumi.RunError, match="volume 'cache'") as caught:
        run(lambda: volume(**values).volume_name)
    assert said in str(caught.value)
    assert not [key for key in recorder.seen if "olume::cache" in key and "ModelVolume" not in key]


def test_with_a_size_and_a_data_center_it_is_a_network_volume(recorder: Recorder) -> None:
    made = []

    def program() -> Any:
        made.append(volume(size_gib=50, regions=["EU-RO-1"]))
        return endpoint_on(made[0]).url

    run(program)
    inputs = recorder.seen[f"{NETWORK_VOLUME}::cache"].inputs
    assert (inputs["sizeGb"], inputs["dataCenter"], inputs["type"]) == (50, "EU-RO-1", "STANDARD")
    assert made[0].cloud.value == "runpod"
    worker = recorder.seen[f"{ENDPOINT}::search"].inputs
    assert worker["networkVolumes"] == ["cache-id"]
    assert worker["dataCenterIds"] == worker["networkVolumeDataCenters"] == ["EU-RO-1"]
    assert worker["env"]["PILOTLIGHT_VOLUME"] == "/runpod-volume"


def endpoint_on(one: Any) -> Any:
    from components import ModelEndpoint, ModelImage

    image = ModelImage("search", handler="stacks/search")
    return ModelEndpoint("search", image=image, cloud="runpod", gpu="L4", volumes=[one])


def test_an_endpoint_on_another_cloud_does_not_mount_it(recorder: Recorder) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: endpoint(volume(), cloud="runpod").url)
    assert "volumes[0].volume: 'cache' is a volume of \"modal\"" in str(caught.value)
