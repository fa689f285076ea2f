"""runpod-flash against the control plane: its client's calls, and the endpoints that it deploys."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.runpod.serving import Served
from tests.conformance.runpod.tools import FLASH, missing, python

pytestmark = pytest.mark.skipif(bool(missing(FLASH)), reason=missing(FLASH))

SCRIPT = Path(__file__).with_name("flash_script.py")


@pytest.fixture(scope="module")
def said(local: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What flash got to hear. It still makes network volumes through REST v1."""
    stock = {"EU-RO-1": {"NVIDIA L4": "NONE", "cpu5c": "LOW"}}
    local.do(lambda service: service.settings.update({"stock": stock, "retired": {"v1": False}}))
    home = tmp_path_factory.mktemp("flash")
    done = subprocess.run(
        [python(FLASH), SCRIPT],
        env={**local.environment, "HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_templates(said: dict[str, Any]) -> None:
    assert said["template"]["env"] == [{"key": "A", "value": 'quo"te'}]
    assert said["template"]["imageName"] == "img:1"


def test_saving_an_endpoint_replaces_it(said: dict[str, Any]) -> None:
    made, replaced = said["made"], said["replaced"]
    assert (made["gpuIds"], made["idleTimeout"], made["workersMax"]) == ("ADA_24", 60, 2)
    assert (replaced["id"], replaced["gpuIds"]) == (made["id"], "AMPERE_24")
    assert (replaced["idleTimeout"], replaced["workersMax"], replaced["scalerValue"]) == (10, 3, 4)
    assert (said["exists"], said["deleted"], said["exists_then"]) == (True, {"success": True}, False)


def test_stock(said: dict[str, Any]) -> None:
    assert (said["gpu_stock"], said["gpu_stock_out"], said["cpu_stock"]) == ("High", None, "Low")


def test_apps_and_environments(said: dict[str, Any]) -> None:
    (environment,) = said["app"]["flashEnvironments"]
    assert (said["app"]["name"], environment["name"]) == ("shop", "dev")
    assert said["environment"]["id"] == environment["id"]
    assert [app["name"] for app in said["apps"]] == ["shop"]
    assert said["builds"] == []
    assert said["environment_gone"] == said["app_gone"] == {"success": True}
    assert "flash builds are not offered by the local cloud" in said["no_builds"]


def test_what_it_deploys(said: dict[str, Any], local: Served) -> None:
    gpu = local.do(lambda service: service.endpoint(said["deployed"]["gpu"]))
    cpu = local.do(lambda service: service.endpoint(said["deployed"]["cpu"]))
    (volume,) = local.do(lambda service: service.volumes.rows.all())
    assert (gpu["image"], gpu["gpu"]["pools"], gpu["env"]["B"]) == ("img:2", ["ADA_24"], "2")
    assert (gpu["networkVolumes"], gpu["dataCenterIds"]) == ([volume["id"]], ["EU-RO-1"])
    assert (volume["name"], volume["size"]) == ("cache", 20)
    assert cpu["cpu"] == [{"id": "cpu3c", "vcpuCount": 2, "memory": 4}]
