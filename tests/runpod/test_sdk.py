"""The program's class says exactly what the model says."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks, set_mocks
from pydantic.alias_generators import to_camel

from infra.kit import names
from infra.kit.model import specs
from infra.kit.sdk import CustomResource
from infra.runpod import sdk
from infra.runpod.__main__ import provider
from infra.runpod.sdk import Endpoint, NetworkVolume, Pod, Registry, get_gpu_classes

CLASSES: list[type[CustomResource]] = [
    sdk.Endpoint,
    sdk.NetworkVolume,
    sdk.Pod,
    sdk.Registry,
    sdk.Secret,
    sdk.Template,
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_signature_is_the_model(cls: type[CustomResource]) -> None:
    parameters = dict(inspect.signature(cls.__init__).parameters)
    for own in ("self", "resource_name", "opts"):
        parameters.pop(own)
    resource = provider.resource(cls.token)
    assert resource is not None
    settable = [spec for spec in specs(resource.Inputs) if not spec.meta.computed]
    assert set(parameters) == {spec.name for spec in settable}
    needed = {name for name, parameter in parameters.items() if parameter.default is inspect.Parameter.empty}
    assert needed == {spec.name for spec in settable if spec.required}
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_its_token_is_one_that_the_provider_serves_with_these_models(cls: type[CustomResource]) -> None:
    resource = provider.resource(cls.token)
    assert resource is not None
    assert cls.names == names.of_model(resource.State)
    outputs = {spec.name for spec in specs(resource.State)}
    assert set(cls.__annotations__) - {"token", "names"} <= outputs


def test_there_is_a_class_for_each_resource_and_a_call_for_each_function() -> None:
    assert {cls.token for cls in CLASSES} == {provider.token(key) for key in provider.resources}
    calls = {name for name in sdk.__all__ if name.startswith("get_")}
    assert {to_camel(name) for name in calls} == set(provider.invokes)
    for key in provider.invokes:
        function = provider.function(provider.token(key))
        assert function is not None
        assert names.read("infra.runpod.sdk")[key] == names.of_model(function.Args)


@pytest.fixture
def registered() -> Iterator[list[MockResourceArgs]]:
    # Pulumi's mocks want the thread's own event loop, which an earlier asyncio.run has taken away.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    seen: list[MockResourceArgs] = []

    class Recorder(Mocks):
        def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            seen.append(args)
            return "e1", {**args.inputs, "url": "http://x/runsync"}

        def call(self, args: MockCallArgs) -> dict[str, Any]:
            return {"asked": f"{args.token} {dict(sorted(args.args.items()))}"}

    set_mocks(Recorder(), preview=False)
    yield seen
    asyncio.set_event_loop(None)
    loop.close()


def test_arguments_travel_under_their_wire_names_and_the_users_keys_stay(
    registered: list[MockResourceArgs],
) -> None:
    urls: list[str] = []

    @pulumi.runtime.test
    def program() -> Any:
        endpoint = Endpoint(
            "search",
            image="i",
            gpu={"pools": ["AMPERE_24"], "excluded_types": ["NVIDIA L4"]},
            scaling={"type": "QUEUE_DELAY", "queue_delay": 4},
            workers={"idle_timeout": 5},
            timeout_ms=9000,
            env={"snake_case": "kept"},
            wait_for_rollout=False,
        )
        return endpoint.url.apply(urls.append)

    program()
    (args,) = registered
    assert args.typ == "pilotlight-runpod:index:Endpoint"
    assert args.inputs == {
        "image": "i",
        "gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"]},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "workers": {"idleTimeout": 5},
        "timeoutMs": 9000,
        "env": {"snake_case": "kept"},
        "waitForRollout": False,
    }
    assert urls == ["http://x/runsync"]


def test_volumes_registries_and_pods_fit_together(registered: list[MockResourceArgs]) -> None:
    @pulumi.runtime.test
    def program() -> Any:
        volume = NetworkVolume("w", size_gb=50, data_center="EU-RO-1", type="STANDARD")
        registry = Registry("r", username="bot", password="canary")
        endpoint = Endpoint(
            "search",
            image="i",
            network_volumes=[volume.id],
            network_volume_data_centers=[volume.data_center],
            registry_id=registry.id,
        )
        pod = Pod(
            "tune",
            image="i",
            gpu={"id": "NVIDIA L4"},
            desired_state="ONCE",
            network_volume={"id": volume.id, "path": "/data"},
        )
        return pulumi.Output.all(endpoint.urn, pod.urn)

    program()
    by_type = {args.typ.rsplit(":", 1)[-1]: args.inputs for args in registered}
    assert by_type["NetworkVolume"] == {"sizeGb": 50, "dataCenter": "EU-RO-1", "type": "STANDARD"}
    assert by_type["Endpoint"]["networkVolumes"] == ["e1"]
    assert by_type["Endpoint"]["networkVolumeDataCenters"] == ["EU-RO-1"]
    assert by_type["Pod"]["networkVolume"] == {"id": "e1", "path": "/data"}
    assert by_type["Pod"]["desiredState"] == "ONCE"


def test_a_function_asks_under_wire_names(registered: list[MockResourceArgs]) -> None:
    asked: list[str] = []

    @pulumi.runtime.test
    def program() -> Any:
        return get_gpu_classes(in_stock=True, data_center="EU-RO-1").apply(lambda r: asked.append(r["asked"]))

    program()
    assert asked == ["pilotlight-runpod:index:getGpuClasses {'dataCenter': 'EU-RO-1', 'inStock': True}"]
