"""The program's side, under the SDK's mocks: names, nested names, secrets, options."""

import asyncio

import pulumi
import pytest

from infra.kit.model import shape_of
from infra.kit.sdk import CustomResource, wire_value
from tests.kit.toy import BoxInputs, BoxState, Gpu, Rule, Workers


class Box(CustomResource):
    token = "toy:index:Box"
    inputs = BoxInputs
    state = BoxState
    url: pulumi.Output[str]

    def __init__(self, resource_name, opts=None, **args):
        super().__init__(resource_name, args, opts)


class Mocks(pulumi.runtime.Mocks):
    def __init__(self):
        self.seen = {}

    def new_resource(self, args):
        self.seen[args.name] = args
        return f"{args.name}-id", {**args.inputs, "url": "https://x", "diskGib": 7}

    def call(self, args):
        return {}


@pytest.fixture
def mocks():
    asyncio.set_event_loop(asyncio.new_event_loop())  # `asyncio.run` of other tests left none
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks)
    return mocks


@pulumi.runtime.test
def declare(mocks):
    box = Box(
        "crate",
        image="a",
        disk_gib=pulumi.Output.from_input(7),
        gpu=Gpu.H100,
        workers={"min": 1, "max": pulumi.Output.from_input(2)},
        rules=pulumi.Output.from_input([{"name": "n", "token": pulumi.Output.secret("t")}]),
        env={"disk_gib": "stays"},
        tags={"b", "a"},
    )
    pulumi.Output.all(box.disk_gib, box.url, box.env).apply(lambda got: mocks.seen.update(outputs=got))
    return box.id.apply(lambda _: None)


def test_names_go_over_in_wire_form_and_come_back_as_attributes(mocks):
    declare(mocks)
    inputs = mocks.seen["crate"].inputs
    assert inputs["diskGib"] == 7
    assert inputs["gpu"] == "H100"
    assert inputs["workers"] == {"min": 1, "max": 2}
    assert inputs["env"] == {"disk_gib": "stays"}
    assert inputs["tags"] == ["a", "b"]
    assert "disk_gib" not in inputs
    assert mocks.seen["outputs"] == [7, "https://x", {"disk_gib": "stays"}]


def test_a_model_a_dict_of_either_spelling_and_an_unknown_key():
    assert wire_value(Workers(min=1, max=2), shape_of(Workers)) == {"min": 1, "max": 2}
    shape = shape_of(dict[str, BoxInputs])
    written = wire_value({"my_box": {"disk_gib": 1, "diskGib": 2, "no_such": 3}}, shape)
    assert written == {"my_box": {"diskGib": 2, "no_such": 3}}
    assert wire_value([Rule(name="n")], shape_of(list[Rule])) == [{"name": "n"}]


def test_options_take_python_names_and_secrets_are_declared():
    from infra.kit.sdk import _options

    opts = _options(
        pulumi.ResourceOptions(ignore_changes=["disk_gib", "workers.max"], additional_secret_outputs=["url"]),
        BoxState,
    )
    assert opts.ignore_changes == ["diskGib", "workers.max"]
    assert set(opts.additional_secret_outputs) == {"password", "key", "url"}
