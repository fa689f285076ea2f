"""The schema comes from the models, and Pulumi's own binder takes it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.kit.model import specs
from infra.kit.schema import build
from tests.kit.toy import BoxInputs, BoxState, Cloud, toy

REPO = Path(__file__).resolve().parents[2]
TOOLCHAIN = REPO / ".pilotlight" / "toolchain.json"


@pytest.fixture(scope="module")
def schema():
    return build(toy(Cloud()))


def test_inputs_and_outputs_are_those_of_the_models(schema):
    box = schema["resources"]["toy:index:Box"]
    settable = {spec.wire for spec in specs(BoxInputs) if not spec.meta.computed}
    assert set(box["inputProperties"]) == settable
    assert set(box["properties"]) == {spec.wire for spec in specs(BoxState)}
    assert box["requiredInputs"] == ["image"]
    assert box["description"] == "A box that runs an image."


def test_what_a_field_says_is_in_the_schema(schema):
    box = schema["resources"]["toy:index:Box"]["inputProperties"]
    assert box["region"] == {
        "type": "string",
        "description": "where",
        "default": "eu",
        "replaceOnChanges": True,
    }
    assert box["password"]["secret"] is True
    assert box["size"]["deprecationMessage"] == "use diskGib"
    assert box["gpu"] == {"$ref": "#/types/toy:index:Gpu", "description": "GPU class"}
    assert [item["value"] for item in schema["types"]["toy:index:Gpu"]["enum"]] == ["H100", "H200", "L4"]
    assert schema["types"]["toy:index:Rule"]["properties"]["token"]["secret"] is True
    assert schema["types"]["toy:index:Rule"]["required"] == ["name"]
    assert schema["config"]["variables"]["apiKey"]["defaultInfo"] == {"environment": ["TOY_API_KEY"]}
    assert schema["provider"]["inputProperties"]["apiKey"]["secret"] is True
    assert schema["functions"]["toy:index:lookup"]["inputs"]["required"] == ["name"]


def test_pulumis_own_binder_accepts_it(schema, tmp_path):
    try:
        binder = json.loads(TOOLCHAIN.read_text())["schemacheck"]
    except (OSError, KeyError, ValueError):
        pytest.skip(f"no schemacheck: {TOOLCHAIN} names none (run `make setup`)")
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(schema))
    bad.write_text(json.dumps(schema).replace("#/types/toy:index:Gpu", "#/types/toy:index:Missing"))
    accepted = subprocess.run([binder, good], capture_output=True, text=True, timeout=60)
    assert accepted.returncode == 0, accepted.stderr
    assert "warning" not in accepted.stderr
    assert subprocess.run([binder, bad], capture_output=True, timeout=60).returncode == 1


def test_the_command_prints_it():
    printed = subprocess.run(
        [sys.executable, "-m", "infra.kit.schema", "tests.kit.process:provider"],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(printed.stdout) == build(toy(Cloud()))
