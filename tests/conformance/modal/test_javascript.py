"""The official JavaScript SDK, from npm by its lock file, judges the local Modal."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.localcloud.modal.apps.lifecycle import stop_app
from tests.conformance.modal.verdicts import Verdict, judge
from tests.localcloud.modal.whole import WholeModal

pytestmark = pytest.mark.xdist_group("modal-judge")

HERE = Path(__file__).parent
JS = HERE / "js"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilotlight"
UNREACHABLE = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ENETUNREACH",
    "E403",
    "E404",
)
CHECKS = [
    "call", "call_by_keyword", "many_at_once", "large_arguments", "errors_of_the_handler", "spawn",
    "wait_no_longer_than_asked", "retries", "a_lost_container_is_replaced", "classes_with_parameters", "options", "batching",
    "web_endpoints", "figures_and_autoscaler", "volumes", "secrets", "queues", "environments", "apps", "logs",
    "what_is_not_there",
]  # fmt: skip


@pytest.fixture(scope="module")
def sdk() -> Path:
    """A folder with the judge and the SDK, installed once for each content of the lock file."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found: they run Modal's JavaScript SDK")
    lock = (JS / "package-lock.json").read_bytes()
    folder = CACHE / f"modal-js-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(JS / name, folder)
        # Not `npm ci`: the lock has the optional native parts of a dependency for no platform, and it insists on them.
        command = [
            "npm",
            "install",
            "--no-save",
            "--omit=optional",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        unreachable = [sign for sign in UNREACHABLE if sign in done.stderr]
        if done.returncode and unreachable:
            pytest.skip(f"Modal's JavaScript SDK is not here, and npm has no registry: {unreachable[0]}")
        assert done.returncode == 0, done.stderr
        (folder / "complete").touch()
    shutil.copy(JS / "judge.mjs", folder)
    return folder


@pytest.fixture(scope="module")
def verdicts(sdk: Path, cloud: WholeModal) -> dict[str, Verdict]:
    cloud.python('modal.Secret.objects.create("shop-keys", {"SHOP_KEY": "brass"}, allow_existing=True)')
    cloud.process([sys.executable, "-m", "modal", "deploy", str(HERE / "shop.py")])
    found = judge(["node", str(sdk / "judge.mjs")], cloud.environment(), cloud.state)
    cloud.ask(lambda: stop_app(cloud.world, app)) if (app := cloud.world.deployed("shop", "main")) else None
    return found


@pytest.mark.parametrize("name", CHECKS)
def test_the_sdk_is_content_with(verdicts: dict[str, Verdict], name: str) -> None:
    assert name in verdicts
    assert not verdicts[name].error


def test_the_judge_has_no_other_checks_and_misses_no_rpc(
    cloud: WholeModal, verdicts: dict[str, Verdict]
) -> None:
    assert sorted(verdicts) == sorted(CHECKS)
    assert cloud.world.server.unknown == {}


def test_the_lock_names_the_official_sdk_and_no_place_to_get_it_from() -> None:
    lock = json.loads((JS / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/modal"]["version"] == "0.11.1"
    assert [name for name, entry in lock["packages"].items() if "resolved" in entry] == []
    assert [name for name, entry in lock["packages"].items() if name and "integrity" not in entry] == []
