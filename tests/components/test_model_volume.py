"""A volume that a program declares: what it becomes, who may mount it, and where it is refused."""

from typing import Any

import pulumi
import pytest

from tests.components.recorder import APP, VOLUME, Recorder, run


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
    ("cloud", "said"),
    [("runpod", "network volumes of RunPod come with a later version"), ("auto", "does not place volumes")],
)
def test_elsewhere_it_is_refused_with_the_reason(recorder: Recorder, cloud: str, said: str) -> None:
    with pytest.raises(pulumi.RunError, match="volume 'cache'") as caught:
        run(lambda: volume(cloud=cloud).volume_name)
    assert said in str(caught.value)
    assert f"{VOLUME}::cache" not in recorder.seen


def test_an_endpoint_on_another_cloud_does_not_mount_it(recorder: Recorder) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: endpoint(volume(), cloud="runpod").url)
    assert "volumes[0].volume: 'cache' is a volume of \"modal\"" in str(caught.value)
