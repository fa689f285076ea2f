"""A declaration that cannot stand says everything that is wrong, at its property, in plain words."""

import pytest

from infra.spec.declarations import EndpointSpec, ScalerType, SpecError, Traffic, parse


def problems(**values: object) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        parse(EndpointSpec, values, subject='endpoint "search"')
    return {problem.path: problem.message for problem in caught.value.problems}


def test_all_problems_at_once_with_nothing_of_pydantic() -> None:
    found = problems(cloud="runpd", gpu=["L4", 7], idle_timeout_s=0, workers={"min": 3, "max": 1})
    assert set(found) == {"cloud", "gpu[1]", "idle_timeout_s", "workers"}
    assert "Nearest: runpod" in found["cloud"]
    assert "found 7" in found["gpu[1]"]
    assert "found 0" in found["idle_timeout_s"]
    assert found["workers"].startswith("max is 1, below min 3")
    assert not any("pydantic" in message or "type=" in message for message in found.values())


@pytest.mark.parametrize(
    ("values", "path", "text"),
    [
        ({"gpu": "L4", "cpu": {"vcpu": 4}}, "", "both gpu and cpu"),
        ({"gpu": []}, "", "empty list"),
        ({"idle_timeout_s": 3601}, "idle_timeout_s", "found 3601"),
        ({"scaler": {"type": "queue_delay", "value": 0.1}}, "scaler", "0.1 s"),
        ({"scaler": {"type": "request_count", "value": 1.5}}, "scaler", "whole number"),
        ({"idle_timout_s": 30}, "idle_timout_s", "Nearest: idle_timeout_s"),
        ({"workers": {"mn": 1}}, "workers.mn", "Nearest: min"),
        ({"container_idle_timeout": 60}, "container_idle_timeout", "Fix: idle_timeout_s"),
        ({"concurrency_limit": 50}, "concurrency_limit", "Fix: workers.max"),
        ({"scaledown_window": 60}, "scaledown_window", "Fix: idle_timeout_s"),
        ({"budget": {"usd_per_month": -1}}, "budget.usd_per_month", "greater than 0"),
        ({"traffic": {"requests_per_hour": 1, "trace": "x.csv"}}, "traffic", "exactly one of"),
        ({"volumes": [{"volume": "v", "path": "data"}]}, "volumes[0]", "absolute path"),
        ({"cloud": None}, "cloud", "found None"),
    ],
)
def test_a_problem_names_its_property(values: dict[str, object], path: str, text: str) -> None:
    found = problems(**values)
    assert list(found) == [path]
    assert text in found[path]


def test_one_gpu_is_a_list_of_one_and_defaults_hold() -> None:
    spec = parse(EndpointSpec, {"gpu": "L4"}, subject="x")
    assert spec.gpu == ["L4"]
    assert spec.scaler.type is ScalerType.QUEUE_DELAY


def test_traffic_wants_exactly_one_source() -> None:
    with pytest.raises(ValueError, match="none given"):
        Traffic()
