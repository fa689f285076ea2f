"""The parts together: an image pushed to the registry runs as a worker, is called, listed, billed and logged."""

import base64
import hashlib
import io
import json
import re
import sys
import tarfile
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from infra.localcloud.runpod.workers.images import ARCHITECTURE

from .conftest import ENDPOINT, Checkout, wait_for

pytestmark = pytest.mark.xdist_group("cloud")

# A worker in the least: takes a job, answers with its input and the names in its environment.
WORKER = """
import json, os, urllib.request

def call(address, body=None):
    request = urllib.request.Request(address, body, {"Authorization": os.environ["RUNPOD_AI_API_KEY"]})
    with urllib.request.urlopen(request) as answer:
        return answer.status, answer.read()

pod = os.environ["RUNPOD_POD_ID"]
take = os.environ["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", pod) + "&job_in_progress=0"
done = os.environ["RUNPOD_WEBHOOK_POST_OUTPUT"].replace("$RUNPOD_POD_ID", pod)
print("worker started")
while True:
    status, body = call(take)
    if status != 200:
        continue
    job = json.loads(body)
    output = {"echo": job["input"], "env": sorted(os.environ), "s3": os.environ.get("AWS_ENDPOINT_URL_S3")}
    call(done.replace("$ID", job["id"]) + "&isStream=false", json.dumps({"output": output}).encode())
"""


@pytest.fixture(scope="module")
def running(module_checkout: Callable[[str], Checkout]) -> Checkout:
    checkout = module_checkout("service")
    checkout.pilotlight("up", "--set", "rate_limit=false")
    return checkout


@pytest.fixture(scope="module")
def endpoint(running: Checkout) -> dict[str, Any]:
    return running.create_endpoint(name="echo", image=push_image(running))


def push_image(checkout: Checkout, source: str = WORKER) -> str:
    """The worker as an image, by plain HTTP; returns the port-free reference that goes into state."""
    registry = checkout.record["registry"]
    credentials = base64.b64encode(f"{registry['user']}:{registry['password']}".encode()).decode()

    def send(method: str, path: str, body: bytes, kind: str = "application/octet-stream") -> None:
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": kind}
        request = urllib.request.Request(registry["url"] + path, body, headers, method=method)
        urllib.request.urlopen(request, timeout=10).close()

    def blob(content: bytes, kind: str) -> dict[str, Any]:
        digest = digest_of(content)
        send("POST", f"/v2/echo/blobs/uploads/?digest={digest}", content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(content)}

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("app/rp_handler.py")
        entry.size = len(source)
        archive.addfile(entry, io.BytesIO(source.encode()))
    config = {
        "os": "linux",
        "architecture": ARCHITECTURE,
        "config": {
            "Entrypoint": ["python3", "-u", "/app/rp_handler.py"],
            "WorkingDir": "/app",
            "Labels": {"dev.pilotlight.python": f"{sys.version_info.major}.{sys.version_info.minor}"},
        },
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [blob(packed.getvalue(), "layer.v1.tar+gzip")],
    }
    content = json.dumps(manifest).encode()
    send("PUT", "/v2/echo/manifests/latest", content, manifest["mediaType"])
    return f"registry.pilotlight.internal/echo@{digest_of(content)}"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_pushed_image_answers_and_is_listed_billed_and_logged(
    running: Checkout, endpoint: dict[str, Any]
) -> None:
    status, text = running("POST", f"/v2/{endpoint['id']}/runsync", {"input": {"question": 7}})
    answer = json.loads(text)
    assert (status, answer["status"]) == (200, "COMPLETED"), text
    assert answer["output"]["echo"] == {"question": 7}
    assert answer["output"]["s3"] == running.record["s3"]["url"]

    shown = running.status()["endpoints"][0]
    assert (shown["name"], shown["completed"], len(shown["workers"])) == ("echo", 1, 1)
    assert shown["workers"][0]["status"] in ("IDLE", "RUNNING")
    assert wait_for(lambda: running.status()["endpoints"][0]["usd"] != "0.0000")
    status_text = running.pilotlight("status").stdout
    assert "endpoint echo" in status_text
    assert shown["workers"][0]["id"] in status_text
    logged = running.pilotlight("logs", "--endpoint", "echo").stdout
    assert f"{shown['workers'][0]['id']} | worker started" in logged


def test_an_image_that_was_never_pushed_is_refused(running: Checkout) -> None:
    missing = "registry.pilotlight.internal/echo@sha256:" + "0" * 64
    status, text = running("POST", "/v2/serverless", {**ENDPOINT, "image": missing})
    assert status == 422
    assert "does not exist" in text


def test_the_page_shows_and_calls_an_endpoint(running: Checkout, endpoint: dict[str, Any]) -> None:
    status, page = running("GET", "/", key=False)
    assert status == 200
    assert endpoint["image"] in page
    assert running.record["runpod"]["api_key"] not in page
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token

    status, page = submit(running, token[1], endpoint["id"], '{"text": "<script>alert(1)</script>"}')
    assert status == 200
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert running("GET", "/_local/overview", key=False)[0] == 200


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"token": "guessed"}, 403, "send it again"),
        ({"input": "{not json"}, 400, "not JSON"),
        ({"endpoint": "gone"}, 404, "no such endpoint"),
    ],
)
def test_the_form_refuses(
    running: Checkout, endpoint: dict[str, Any], change: dict[str, str], status: int, said: str
) -> None:
    token = re.search(r'name="token" value="([^"]+)"', running("GET", "/", key=False)[1])
    assert token
    form = {"token": token[1], "endpoint": endpoint["id"], "input": "{}", **change}
    before = running.status()["endpoints"][0]["completed"]
    got, page = submit(running, form["token"], form["endpoint"], form["input"])
    assert got == status
    assert said in page
    assert running.status()["endpoints"][0]["completed"] == before


def submit(checkout: Checkout, token: str, endpoint: str, text: str) -> tuple[int, str]:
    body = urlencode({"token": token, "endpoint": endpoint, "input": text})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": checkout.record["url"]}
    return checkout("POST", "/_local/call", body, headers, key=False)


def test_an_unknown_endpoint_has_no_logs(running: Checkout, endpoint: dict[str, Any]) -> None:
    said = running.pilotlight("logs", "--endpoint", "../../etc", code=1).stderr
    assert "no endpoint or pod '../../etc'" in said
    assert "echo" in said
