"""The program's side, under the SDK's mocks: names, nested names, secrets, options."""

import asyncio
import subprocess
import sys

import pulumi
import pytest

from infra.kit.names import NO_NAMES, Names, of_model, read
from infra.kit.sdk import CustomResource, wire_value
from tests.kit.toy import BoxInputs, BoxState, Gpu, Rule, Workers


class Box(CustomResource):
    token = "toy:index:Box"
    names = of_model(BoxState)
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
    assert wire_value(Workers(min=1, max=2), of_model(Workers)) == {"min": 1, "max": 2}
    written = wire_value(
        {"my_box": {"disk_gib": 1, "diskGib": 2, "no_such": 3}}, Names(each=of_model(BoxInputs))
    )
    assert written == {"my_box": {"diskGib": 2, "no_such": 3}}
    assert wire_value([Rule(name="n")], Names(each=of_model(Rule))) == [{"name": "n"}]
    assert wire_value({"snake_case": {"disk_gib": 1}}, NO_NAMES) == {"snake_case": {"disk_gib": 1}}


def test_names_reach_into_lists_and_maps_of_objects():
    app = read("infra.modal")["App"]
    functions = {"my_fn": {"timeout_s": 1, "volumes": {"/a_b": {"read_only": True}}}}
    assert wire_value(functions, app.inside["functions"]) == {
        "my_fn": {"timeoutS": 1, "volumes": {"/a_b": {"readOnly": True}}}
    }
    cpu = read("infra.runpod.sdk")["Endpoint"].inside["cpu"]
    assert wire_value([{"id": "cpu5c", "vcpu_count": 4}], cpu) == [{"id": "cpu5c", "vcpuCount": 4}]


def test_a_program_loads_no_models():
    classes = "import sys, infra.runpod.sdk, infra.modal.sdk, infra.artifacts.sdk"
    said = subprocess.run(
        [sys.executable, "-c", f"{classes}; print('pydantic' in sys.modules)"], capture_output=True, text=True
    )
    assert said.stdout == "False\n", said.stderr


def test_options_take_python_names_and_secrets_are_declared():
    from infra.kit.sdk import _options

    opts = _options(
        pulumi.ResourceOptions(ignore_changes=["disk_gib", "workers.max"], additional_secret_outputs=["url"]),
        of_model(BoxState),
    )
    assert opts.ignore_changes == ["diskGib", "workers.max"]
    assert set(opts.additional_secret_outputs) == {"password", "key", "url"}
