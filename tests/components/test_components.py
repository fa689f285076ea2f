"""What a program's declarations register, seen through the SDK's own mocks: no engine, no cloud."""

import json
from typing import Any

import pulumi
import pytest

from tests.components.recorder import APP, ENDPOINT, SECRET, Recorder, run


def declare(**values: Any) -> Any:
    from components import ModelEndpoint, ModelImage, StagedWeights, WeightBucket

    bucket = WeightBucket("weights")
    weights = StagedWeights("minilm", bucket=bucket, source="models/minilm")
    image = ModelImage("search", handler="stacks/search")
    return ModelEndpoint("search", image=image, weights=weights, **{"cloud": "runpod", "gpu": "L4", **values})


def test_a_declaration_becomes_four_resources_under_their_components(recorder: Recorder) -> None:
    run(lambda: declare().url)
    assert {key for key in recorder.seen if "::" in key and "index:Model" not in key} >= {
        "pilotlight-artifacts:index:Bucket::weights",
        "pilotlight-artifacts:index:Weights::minilm",
        "pilotlight-artifacts:index:Image::search",
        f"{ENDPOINT}::search",
    }


def test_the_worker_learns_of_its_weights(recorder: Recorder) -> None:
    run(lambda: declare(concurrency=4, env={"A": "1"}).url)
    inputs = recorder.seen[f"{ENDPOINT}::search"].inputs
    assert inputs["image"] == "r/search@sha256:0"
    assert inputs["env"] == {
        "A": "1",
        "PILOTLIGHT_CONCURRENCY": "4",
        "PILOTLIGHT_WEIGHTS": "s3://weights-1a2b/m.json",
    }
    assert inputs["intent"]["endpoint"] == "search"


def test_the_stack_s_settings_go_over_the_program_s(recorder: Recorder) -> None:
    from components import Workers

    settings = {"search": {"gpu": "H100", "workers": {"max": 1}}}
    pulumi.runtime.set_all_config({"pilotlight:endpoints": json.dumps(settings)})
    run(lambda: declare(workers=Workers(min=1, max=5)).url)
    inputs = recorder.seen[f"{ENDPOINT}::search"].inputs
    assert inputs["gpu"]["pools"] == ["ADA_80_PRO"]
    assert (inputs["workers"]["min"], inputs["workers"]["max"]) == (1, 1)


def test_the_output_names_what_serves_and_what_it_can_cost(recorder: Recorder) -> None:
    def program() -> Any:
        return pulumi.Output.from_input(declare().summary()).apply(check)

    def check(summary: dict[str, Any]) -> None:
        assert summary["cloud"] == "runpod"
        assert summary["kind"] == "queue"
        assert summary["url"].endswith("/runsync")
        assert summary["image"] == "r/search@sha256:0"
        assert summary["weights"] == "s3://weights-1a2b/m.json"
        assert summary["plan"]["usdPerMonth"] == {"floor": "0.00", "ceiling": "1497.96"}

    run(program)


def test_a_secret_in_the_environment_stays_a_secret(recorder: Recorder) -> None:
    def program() -> Any:
        endpoint = declare(env={"TOKEN": pulumi.Output.secret("canary")})
        return endpoint.resource.env.is_secret()

    run(lambda: pulumi.Output.from_input(program()).apply(_assert_true))


def test_one_word_moves_the_endpoint_to_modal(recorder: Recorder) -> None:
    run(lambda: declare(cloud="modal", concurrency=4, env={"A": "1"}).url)
    inputs = recorder.seen[f"{APP}::search"].inputs
    assert inputs["source"] == "stacks/search"
    assert inputs["weights"] == "s3://weights-1a2b/m.json"
    assert inputs["env"] == {"A": "1"}
    [(name, service)] = inputs["classes"].items()
    assert name == "Model"
    assert (service["gpu"], service["maxConcurrentInputs"]) == (["L4"], 4)
    others = ("pilotlight-runpod:", "pilotlight-artifacts:index:Image")
    assert [key for key in recorder.seen if key.startswith(others)] == []


def test_on_modal_a_secret_value_goes_into_a_secret_and_never_into_the_image(recorder: Recorder) -> None:
    run(lambda: declare(cloud="modal", env={"A": "1", "TOKEN": pulumi.Output.secret("canary")}).url)
    app, secret = recorder.seen[f"{APP}::search"].inputs, recorder.seen[f"{SECRET}::search"].inputs
    assert "canary" not in json.dumps(app)
    assert app["classes"]["Model"]["secrets"] == [{"name": "search-1a2b"}]
    assert secret["values"]["value"] == {"TOKEN": "canary"}  # wrapped as a secret


def test_what_a_cloud_cannot_do_stops_the_program_without_a_traceback(recorder: Recorder) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: declare(gpu=["T4", "L5"], auth="none"))
    message = str(caught.value)
    assert "gpu[0]" in message
    assert "gpu[1]" in message
    assert "auth" in message
    assert f"{ENDPOINT}::search" not in recorder.seen


def test_without_a_price_nothing_is_registered(recorder: Recorder) -> None:
    with pytest.raises(pulumi.RunError, match="no serverless price for RTX-5090 on runpod"):
        run(lambda: declare(gpu="RTX-5090").url)
    assert f"{ENDPOINT}::search" not in recorder.seen


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cloud": "modl"}, "Nearest: modal"),
        ({"cloud": "auto"}, "nothing is known of its traffic"),
        ({"idle_timeout_s": 0}, "idle_timeout_s"),
        ({"gpu": None}, "neither gpu nor cpu"),
    ],
)
def test_a_wrong_declaration_is_explained(recorder: Recorder, values: dict[str, Any], said: str) -> None:
    with pytest.raises(pulumi.RunError, match="endpoint 'search'") as caught:
        run(lambda: declare(**values))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"container_idle_timeout": 60},
            "container_idle_timeout: no such setting: it is what a cloud calls it",
        ),
        ({"concurrency_limit": 3}, "Fix: workers.max"),
        ({"idle_timeot_s": 60}, "Nearest: idle_timeout_s"),
    ],
)
def test_an_argument_that_is_none_is_told_by_its_name_here(
    recorder: Recorder, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(pulumi.RunError, match="ModelEndpoint 'search'") as caught:
        run(lambda: declare(**values))
    assert said in str(caught.value)


def test_with_traffic_the_plan_says_what_it_will_cost_and_how_long_requests_wait(recorder: Recorder) -> None:
    from components import Traffic

    plan: dict[str, Any] = {}
    run(lambda: plan.update(declare(traffic=Traffic(requests_per_hour=40, service_s=2)).plan))
    costs = [float(plan["usdPerMonth"][name]) for name in ("floor", "low", "expected", "high", "ceiling")]
    assert costs == sorted(costs)
    assert 0 < costs[2] < costs[4]
    assert plan["basis"] == "rate (a guess)"
    assert plan["waitP95"] > 0


def _assert_true(value: bool) -> None:
    assert value
