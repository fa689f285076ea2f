"""The schema that programs in other languages see."""

import json
import subprocess
from pathlib import Path

import pytest

from infra.cli.toolchain import schemacheck
from infra.kit.schema import build
from infra.runpod.__main__ import provider


def test_pulumis_own_binder_accepts_it(tmp_path: Path) -> None:
    checker = schemacheck()
    if isinstance(checker, str):
        pytest.skip(checker)
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(build(provider)))
    done = subprocess.run([checker, schema], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "6 resources, 29 types, 5 functions" in done.stdout


def test_what_replaces_and_what_is_secret_is_said() -> None:
    schema = build(provider)
    endpoint = schema["resources"]["pilotlight-runpod:index:Endpoint"]
    replacing = {name for name, prop in endpoint["inputProperties"].items() if prop.get("replaceOnChanges")}
    assert replacing >= {"type"}
    assert "image" not in replacing
    assert schema["config"]["variables"]["apiKey"]["secret"] is True
