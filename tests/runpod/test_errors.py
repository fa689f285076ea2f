"""A refusal of RunPod's with our name of the property in front, in whatever form it says so."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra.kit.model import Model, specs
from infra.runpod import endpoint_wire, network_volume, pod_wire, registry, template
from infra.runpod.endpoint_model import EndpointInputs
from infra.runpod.errors import Conflict, Forbidden, RunPodError, Unavailable, at_property, from_answer
from infra.runpod.pod_model import PodInputs

KINDS: list[tuple[type[Model], Mapping[str, str], Mapping[str, str]]] = [
    (EndpointInputs, endpoint_wire.NAMES, endpoint_wire.WORDS),
    (PodInputs, pod_wire.NAMES, pod_wire.WORDS),
    (template.TemplateInputs, template._NAMES, template._WORDS),
    (network_volume.NetworkVolumeInputs, network_volume._NAMES, network_volume._WORDS),
    (registry.RegistryInputs, registry._NAMES, {}),
]


@pytest.mark.parametrize(("model", "names", "words"), KINDS, ids=lambda one: getattr(one, "__name__", ""))
def test_every_name_that_a_refusal_is_given_is_a_property(
    model: type[Model], names: Mapping[str, str], words: Mapping[str, str]
) -> None:
    properties = {spec.wire for spec in specs(model)}
    for name in (*names.values(), *words.values()):
        assert name.split(".")[0] in properties


def said(status: int, detail: str, *errors: Any) -> str:
    body = {"title": "No", "status": status, "detail": detail, "errors": list(errors)}
    names = at_property(endpoint_wire.NAMES, endpoint_wire.WORDS)
    with pytest.raises(RunPodError, match=str(status)) as caught, names:
        raise from_answer(status, body, "create endpoint e", "KEY")
    return str(caught.value).split("RunPod", 1)[0]


@pytest.mark.parametrize(
    ("status", "detail", "errors", "place"),
    [
        (422, "Request validation failed.", ["$.timeout: got string, want integer"], "timeoutMs"),
        (422, "Request validation failed.", ["$.gpu.pools[0]: got number, want string"], "gpu.pools[0]"),
        (422, "Request validation failed.", ["$.registry: got number, want string or null"], "registryId"),
        (422, "Request validation failed.", ["$: missing property 'image'"], "image"),
        (422, "Request validation failed.", ["$: additional properties 'disk' not allowed"], "disk"),
        (
            422,
            "idleTimeout does not apply to queue-based endpoints scaling on requestCount",
            [],
            "workers.idleTimeout",
        ),
        (422, "image 'x' does not exist", [], "image"),
        (400, "gpu.pools: unknown GPU pool 'X'; valid pools are …", [], "gpu.pools"),
        (400, "dataCenterIds: unknown data center 'X'", [], "dataCenterIds"),
        (400, "load balancing endpoints only support REQUEST_COUNT scaling", [], "scaling.type"),
        (404, "registry credential not found", [], "registryId"),
        (400, "something else entirely", [], ""),
    ],
)
def test_the_property_is_in_front(status: int, detail: str, errors: list[str], place: str) -> None:
    assert said(status, detail, *errors) == (f"{place}: " if place else "")


@pytest.mark.parametrize(("status", "kind"), [(403, Forbidden), (409, Conflict), (503, Unavailable)])
def test_what_is_about_no_property_is_left_as_it_is(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught, at_property(endpoint_wire.NAMES, endpoint_wire.WORDS):
        raise from_answer(status, {"detail": "busy"}, "create endpoint e", "KEY")
    assert str(caught.value).startswith("RunPod ")


def test_graphqls_errors_are_read_by_their_message() -> None:
    error = from_answer(410, {"errors": [{"message": "retired"}]}, "list secrets", "KEY")
    assert "(410): retired" in str(error)
