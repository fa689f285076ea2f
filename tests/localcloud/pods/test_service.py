"""Pods and a network volume in the daemon, by the clients that a user has: REST, S3, the page, `pilotlight`."""

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from infra.localcloud.core import namespace
from infra.localcloud.daemon import process
from tests.localcloud.daemon.conftest import REPOSITORY, Checkout, making, wait_for
from tests.localcloud.daemon.test_service import push_image

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = [
    pytest.mark.xdist_group("cloud"),
    pytest.mark.skipif(bool(namespace.refusal()), reason=namespace.refusal() or "never skipped"),
    pytest.mark.skipif(
        not (REPOSITORY / ".pilotlight" / "toolchain.json").exists(), reason="`make setup` has not been run"
    ),
]

SOURCE = """
import http.server, os, pathlib, sys
runs = pathlib.Path("/workspace/runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
print("run", len(runs.read_text()), flush=True)
if sys.argv[1] == "train":
    sys.exit(0)
class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *rest): pass
os.chdir("/workspace")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Files).serve_forever()
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with making(tmp_path_factory.mktemp("pods")) as make:
        checkout = make("project")
        checkout.pilotlight("up", "--set", "rate_limit=false")
        yield checkout


def call(checkout: Checkout, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
    status, text = checkout(method, path, body)
    assert status == expect, text
    return json.loads(text) if text else None


def client(checkout: Checkout, region: str) -> "S3Client":
    """As RunPod's documentation says, with what the daemon has written down."""
    s3 = checkout.record["runpod"]["s3"]
    config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    return boto3.session.Session().client(
        "s3",
        region_name=region,
        endpoint_url=s3["url"],
        aws_access_key_id=s3["access_key_id"],
        aws_secret_access_key=s3["secret_access_key"],
        config=config,
    )


def test_a_pod_serves_what_its_volume_has_and_comes_back_with_the_daemon(running: Checkout) -> None:
    asked = {"name": "data", "size": 10, "dataCenter": "EU-RO-1"}
    volume = call(running, "POST", "/v2/network-volumes", asked, 201)
    s3 = client(running, "EU-RO-1")
    s3.put_object(Bucket=volume["id"], Key="in/model.bin", Body=b"weights")
    with socket.create_server(("127.0.0.1", 0)) as server:
        inside = server.getsockname()[1]
    pod = call(
        running,
        "POST",
        "/v2/pods",
        {
            "name": "serve",
            "image": push_image(running, SOURCE),
            "args": str(inside),
            "cpu": {"id": "cpu3g", "vcpuCount": 2},
            "ports": [f"{inside}/http"],
            "mounts": {"network": [{"volumeId": volume["id"], "path": "/workspace"}]},
        },
        201,
    )
    path = f"/v2/pods/{pod['id']}"

    def serves(text: str) -> bool:
        view = call(running, "GET", path)
        if view["status"] != "RUNNING":
            return False
        url = f"http://127.0.0.1:{view['runtime']['ports'][0]['public']}/in/model.bin"
        try:
            return bool(urllib.request.urlopen(url, timeout=10).read().decode() == text)
        except OSError:
            return False

    wait_for(lambda: serves("weights"))
    assert s3.get_object(Bucket=volume["id"], Key="runs")["Body"].read() == b"x"
    assert running("DELETE", f"/v2/network-volumes/{volume['id']}")[0] == 400, "it is in use"

    shown = running.status()
    assert [(row["name"], row["status"]) for row in shown["pods"]] == [("serve", "RUNNING")]
    assert shown["volumes"][0]["path"] == str(running.cloud / "volumes" / volume["id"])
    wait_for(lambda: float(running.status()["pods"][0]["usd"]) > 0)
    text = running.pilotlight("status").stdout
    assert f"pod serve ({pod['id']})" in text
    assert f"volume data ({volume['id']})" in text
    assert "container run 1" in running.pilotlight("logs", "--endpoint", "serve").stdout
    page = running("GET", "/", key=False)[1]
    assert pod["id"] in page
    assert volume["id"] in page

    os.kill(running.record["pid"], signal.SIGKILL)
    wait_for(lambda: process.living_under(running.cloud) == [])
    running.pilotlight("up")
    wait_for(lambda: serves("weights"))
    assert (running.cloud / "volumes" / volume["id"] / "runs").read_text() == "xx"
    assert client(running, "EU-RO-1").get_object(Bucket=volume["id"], Key="runs")["Body"].read() == b"xx"

    call(running, "DELETE", path, expect=204)
    call(running, "DELETE", f"/v2/network-volumes/{volume['id']}", expect=204)
    assert not (running.cloud / "volumes" / volume["id"]).exists()


def test_a_training_pod_ends_and_is_started_again(running: Checkout) -> None:
    asked = {
        "name": "train",
        "image": push_image(running, SOURCE),
        "args": "train",
        "gpu": {"id": "NVIDIA L4", "count": 1},
        "mounts": {"persistent": {"size": 10, "path": "/workspace"}},
    }
    pod = call(running, "POST", "/v2/pods", asked, 201)
    path = f"/v2/pods/{pod['id']}"
    ended = wait_for(lambda: (found := call(running, "GET", path))["status"] == "EXITED" and found)
    assert (ended["cost"], ended["actions"]) == (0.0, ["start", "terminate"])
    first = events(running, path)
    assert [event["line"] for _, event in first if event["source"] == "container"] == ["run 1"]
    call(running, "POST", f"{path}/action", {"action": "start"})
    wait_for(lambda: call(running, "GET", path)["status"] == "EXITED")
    again = events(running, path, {"Last-Event-ID": first[-1][0]})
    assert [event["line"] for _, event in again if event["source"] == "container"] == ["run 2"]
    assert (running.cloud / "pods" / pod["id"] / "disk" / "runs").read_text() == "xx"
    call(running, "DELETE", path, expect=204)
    assert not (running.cloud / "pods" / pod["id"]).exists()


def events(checkout: Checkout, path: str, headers: dict[str, str] | None = None) -> list[tuple[str, Any]]:
    """Of the log, until it ends."""
    status, text = checkout("GET", f"{path}/logs", headers=headers)
    assert status == 200, text
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields["id"], json.loads(fields["data"])))
    return found


def test_the_environment_names_the_s3_api(running: Checkout, tmp_path: Path) -> None:
    said = running.pilotlight("env").stdout
    s3 = running.record["runpod"]["s3"]
    assert f"export RUNPOD_S3_ENDPOINT_URL={s3['url']}\n" in said
    assert f"export RUNPOD_S3_ACCESS_KEY_ID={s3['access_key_id']}\n" in said
    assert s3["access_key_id"].startswith("user_")
    assert s3["secret_access_key"].startswith("rps_")
