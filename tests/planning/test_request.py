"""What the plan is asked about, however it arrives."""

import pytest

from infra.planning.request import PlanRequest
from infra.spec.declarations import EndpointSpec, SpecError, wire
from infra.spec.findings import UNKNOWN

SPEC = EndpointSpec.model_validate(
    {
        "cloud": "runpod",
        "gpu": "L4",
        "workers": {"min": 1, "max": 4},
        "traffic": {"requests_per_hour": 30, "service_s": 2},
        "sizes": {"image_bytes": 5, "weights_bytes": 7},
        "tags": {"costCenter": "42"},
    }
)


def test_the_wire_form_says_what_the_declaration_says() -> None:
    assert PlanRequest.from_intent({"endpoint": "a", **wire(SPEC)}) == PlanRequest.from_spec(SPEC, name="a")


def test_camel_case_is_read_too_but_tags_keep_their_names() -> None:
    request = PlanRequest.from_intent({"endpoint": "a", "gpuCount": 2.0, "tags": {"costCenter": "42"}})
    assert request.gpu_count == 2
    assert request.tags == {"costCenter": "42"}


def test_sizes_given_go_before_those_declared() -> None:
    request = PlanRequest.from_spec(SPEC, name="a", image_bytes=9)
    assert (request.image_bytes, request.weights_bytes) == (9, 7)


@pytest.mark.parametrize("path", [f for f in EndpointSpec.model_fields if f not in ("cpu", "volumes")])
def test_any_field_may_be_unknown_in_a_preview(path: str) -> None:
    request = PlanRequest.from_intent({"endpoint": "a", **wire(SPEC), path: UNKNOWN})
    assert path in request.unknown


def test_unknown_sizes_stay_unknown() -> None:
    sizes = {"image_bytes": UNKNOWN, "weights_bytes": 7}
    request = PlanRequest.from_intent({"endpoint": "a", **wire(SPEC), "sizes": sizes})
    assert request.image_bytes is UNKNOWN
    assert request.weights_bytes == 7
    assert PlanRequest.from_intent({"endpoint": "a", "sizes": UNKNOWN}).weights_bytes is UNKNOWN


def test_what_makes_no_sense_only_for_an_unknown_part_is_unknown_as_a_whole() -> None:
    request = PlanRequest.from_intent(
        {"endpoint": "a", "workers": {"min": 5, "max": UNKNOWN}, "traffic": {"requests_per_hour": UNKNOWN}}
    )
    assert {"workers", "traffic"} <= set(request.unknown)
    assert request.traffic is None


def test_what_makes_no_sense_by_itself_is_an_error() -> None:
    with pytest.raises(SpecError, match="max is 1, below min 2"):
        PlanRequest.from_intent({"endpoint": "a", "workers": {"min": 2, "max": 1}, "regions": UNKNOWN})
