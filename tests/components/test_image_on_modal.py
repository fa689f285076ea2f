"""One image declaration on Modal: as a chain that Modal builds, or built here and pulled by its digest."""

from typing import Any

from tests.components.recorder import APP, Recorder, run


def endpoint(**image: Any) -> Any:
    from components import ModelEndpoint, ModelImage

    return ModelEndpoint(
        "search", cloud="modal", gpu="L4", image=ModelImage("search", handler="stacks/search", **image)
    )


def built(recorder: Recorder) -> list[str]:
    return [key for key in recorder.seen if ":Image::" in key]


def test_modal_builds_the_chain_and_nothing_is_pushed(recorder: Recorder) -> None:
    run(lambda: endpoint(requirements=["numpy==2.4.6"], env={"A": "1"}).url)
    assert recorder.seen[f"{APP}::search"].inputs["image"] == {"pip": ["numpy==2.4.6"], "env": {"A": "1"}}
    assert built(recorder) == []


def test_a_prebuilt_image_is_pulled_by_digest_and_gets_no_packages_on_top(recorder: Recorder) -> None:
    run(lambda: endpoint(prebuilt=True, requirements=["numpy==2.4.6"], env={"A": "1"}).url)
    (key,) = built(recorder)
    made = recorder.seen[key].inputs
    assert (made["requirements"], made["env"]) == (["numpy==2.4.6"], {"A": "1"})
    image = recorder.seen[f"{APP}::search"].inputs["image"]
    assert image["pip"] == []
    assert "@sha256:" in image["registry"]


def test_the_stack_s_settings_choose_the_rendering(recorder: Recorder) -> None:
    import pulumi

    pulumi.runtime.set_all_config({"pilotlight:images": '{"search": {"prebuilt": true}}'})
    run(lambda: endpoint().url)
    assert len(built(recorder)) == 1
