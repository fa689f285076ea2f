"""The program's class says exactly what the model says."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from infra.kit.model import specs
from infra.runpod.__main__ import provider
from infra.runpod.endpoint_model import EndpointInputs, EndpointState
from infra.runpod.sdk import Endpoint


def test_the_signature_is_the_model() -> None:
    parameters = dict(inspect.signature(Endpoint.__init__).parameters)
    for own in ("self", "resource_name", "opts"):
        parameters.pop(own)
    settable = [spec for spec in specs(EndpointInputs) if not spec.meta.computed]
    assert set(parameters) == {spec.name for spec in settable}
    needed = {name for name, parameter in parameters.items() if parameter.default is inspect.Parameter.empty}
    assert needed == {spec.name for spec in settable if spec.required}
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())


def test_its_token_is_one_that_the_provider_serves_with_these_models() -> None:
    resource = provider.resource(Endpoint.token)
    assert resource is not None
    assert (Endpoint.inputs, Endpoint.state) == (resource.Inputs, resource.State)
    assert EndpointState is Endpoint.state


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
            return {}

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
