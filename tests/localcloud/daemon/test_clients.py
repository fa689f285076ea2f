"""Official clients, pointed here by `pilotlight cloud env` and nothing else."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from infra.localcloud.daemon import process

from .conftest import Checkout, wait_for

pytestmark = pytest.mark.xdist_group("cloud")

UPLOAD = """
import boto3, sys
s3 = boto3.client("s3")
s3.create_bucket(Bucket="models")
s3.put_object(Bucket="models", Key="a/b.bin", Body=b"weights" * 1000)
print(s3.meta.endpoint_url)
"""
DOWNLOAD = """
import boto3
print(len(boto3.client("s3").get_object(Bucket="models", Key="a/b.bin")["Body"].read()))
"""
ADDRESSES = """
import runpod
print(runpod.endpoint_url_base)
from runpod.api import graphql
import os
print(os.environ["RUNPOD_API_BASE_URL"])
"""


@pytest.fixture(scope="module")
def running(module_checkout: Callable[[str], Checkout]) -> Checkout:
    checkout = module_checkout("it's a project")
    checkout.pilotlight("up")
    return checkout


@pytest.fixture(scope="module")
def variables(running: Checkout) -> dict[str, str]:
    """What a shell has after `eval "$(pilotlight cloud env)"`, started where other clouds are configured."""
    stranger = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "canary",
        "RUNPOD_API_KEY": "canary",
        "MODAL_TOKEN_ID": "canary",
        "MODAL_TOKEN_SECRET": "canary",
        "MODAL_ENVIRONMENT": "canary",
        "MODAL_PROFILE": "canary",
        "NO_PROXY": "intranet.example",
        "HTTP_PROXY": "http://proxy.invalid:3128",
        "HOME": "/nonexistent",
    }
    printed = running.pilotlight("env", env=stranger).stdout
    script = f"{printed}\nexec env -0"
    shell = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": os.environ["PATH"], **stranger},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if entry)


def run(code: str, variables: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_address_is_on_loopback_and_nothing_of_the_caller_is_left(
    running: Checkout, variables: dict[str, str]
) -> None:
    url = running.record["url"]
    expected = {
        "RUNPOD_API_BASE_URL": url,
        "RUNPOD_ENDPOINT_BASE_URL": f"{url}/v2",
        "RUNPOD_SERVERLESS_API_URL": f"{url}/v2",
        "RUNPOD_REST_API_URL": f"{url}/v1",
        "RUNPOD_API_URL": f"{url}/v1",
        "RUNPOD_HAPI_URL": f"{url}/hapi",
        "RUNPOD_GRAPHQL_URL": f"{url}/graphql",
        "RUNPOD_AUTHED_GRAPHQL_URL": f"{url}/graphql",
        "RUNPOD_PUBLIC_GRAPHQL_URL": f"{url}/graphql",
        "RUNPOD_API_KEY": running.record["runpod"]["api_key"],
        "AWS_ENDPOINT_URL_S3": running.record["s3"]["url"],
        "NO_PROXY": "intranet.example,127.0.0.1,localhost",
        "no_proxy": "intranet.example,127.0.0.1,localhost",
        "MODAL_SERVER_URL": running.record["modal"]["server_url"],
        "MODAL_TOKEN_ID": running.record["modal"]["token_id"],
        "MODAL_TOKEN_SECRET": running.record["modal"]["token_secret"],
        "MODAL_ENVIRONMENT": "main",
        "MODAL_PROFILE": "",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert "canary" not in variables.values()
    for name, value in variables.items():
        if name.endswith(("_URL", "_URL_S3")):
            assert value.startswith("http://127.0.0.1:"), name
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "MODAL_CONFIG_PATH"):
        assert variables[name].startswith(str(running.cloud)), name


def test_boto3_reaches_our_object_store_and_no_other(running: Checkout, variables: dict[str, str]) -> None:
    assert run(UPLOAD, variables).strip() == running.record["s3"]["url"]
    assert run(DOWNLOAD, variables).strip() == "7000"
    assert (running.cloud / "s3" / "models" / "a" / "b.bin").read_bytes() == b"weights" * 1000


def test_objects_survive_the_death_of_the_object_store(running: Checkout, variables: dict[str, str]) -> None:
    if not (running.cloud / "s3" / "models" / "a" / "b.bin").exists():
        run(UPLOAD, variables)
    before = running.status()["objectStore"]
    os.kill(before["pid"], 9)
    wait_for(lambda: process.started(before["pid"]) is None)

    after = wait_for(
        lambda: (s := running.status()["objectStore"])["status"] == "ok" and s["restarts"] == 1 and s
    )
    assert after["pid"] != before["pid"]
    assert run(DOWNLOAD, variables).strip() == "7000"


def test_the_runpod_sdk_speaks_to_this_machine(running: Checkout, variables: dict[str, str]) -> None:
    url = running.record["url"]
    home = running.root / "home"
    home.mkdir(exist_ok=True)
    assert run(ADDRESSES, {**variables, "HOME": str(home)}).split() == [f"{url}/v2", url]


def test_modal_speaks_to_this_machine_with_no_token_of_the_user(
    running: Checkout, variables: dict[str, str]
) -> None:
    code = "from modal.config import config; print(config['server_url'], config['token_id'])"
    modal = running.record["modal"]
    assert run(code, variables).split() == [modal["server_url"], modal["token_id"]]


def test_env_says_when_nothing_runs(new_checkout: Callable[[str], Checkout]) -> None:
    done = new_checkout("idle").pilotlight("env", code=1)
    assert done.stdout == ""
    assert "pilotlight cloud up" in done.stderr
