"""What `.venv/bin/pulumi` adds, and where it adds nothing. A stand-in CLI tells what it was called with."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bootstrap import shim

SHOWN = (
    "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_SKIP_UPDATE_CHECK",
)
STAND_IN = """#!/usr/bin/env python3
import json, os, sys
arguments = sys.argv[1:]
print(json.dumps({"arguments": arguments, "pid": os.getpid(), "environment": dict(os.environ)}))
if "--config-file" in arguments:
    print(json.dumps(open(arguments[arguments.index("--config-file") + 1]).read()))
"""


@pytest.fixture
def stand_in(checkout: Any) -> Any:
    """A checkout whose stack dev exists, with a stand-in for the CLI behind the shim."""
    real = checkout.root / "home/stand-in"
    real.write_text(STAND_IN)
    real.chmod(0o755)
    shim.write(checkout.shim, root=checkout.root, real=real, bundled=True)
    checkout.state.parent.mkdir(parents=True)
    checkout.state.write_text("{}")
    (checkout.root / ".pilotlight/dev.salt").write_text("v1:salt")
    del checkout.env["PULUMI_SKIP_UPDATE_CHECK"]
    return checkout


def called(stand_in: Any, *arguments: str, **options: str) -> dict[str, Any]:
    said = stand_in.pulumi(*arguments, **options).splitlines()
    lines = [line for line in said if not line.startswith("pulumi: ")]
    result: dict[str, Any] = json.loads(lines[0])
    result["settings"] = json.loads(lines[1]) if len(lines) > 1 else None
    return result


@pytest.mark.parametrize("cwd", [".", "stacks"])
def test_backend_and_passphrase_are_those_of_the_checkout(stand_in: Any, cwd: str) -> None:
    environment = called(stand_in, "preview", "-s", "dev", cwd=cwd)["environment"]
    assert environment["PULUMI_BACKEND_URL"] == f"file://{stand_in.root}/.pilotlight/state"
    passphrase = Path(environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert passphrase == stand_in.root / ".pilotlight/passphrase"
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert len(passphrase.read_text()) == 64
    assert environment["PULUMI_SKIP_UPDATE_CHECK"] == "true"


def test_the_passphrase_is_made_once(stand_in: Any) -> None:
    called(stand_in, "preview", "-s", "dev")
    first = (stand_in.root / ".pilotlight/passphrase").read_text()
    called(stand_in, "preview", "-s", "dev")
    assert (stand_in.root / ".pilotlight/passphrase").read_text() == first


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_passphrase_that_is_said_stays(stand_in: Any, name: str) -> None:
    environment = called(stand_in, "preview", "-s", "dev", **{name: ""})["environment"]
    assert {key: environment.get(key) for key in SHOWN[1:3]} == {**dict.fromkeys(SHOWN[1:3]), name: ""}
    assert not (stand_in.root / ".pilotlight/passphrase").exists()


def test_a_backend_that_is_said_stays_and_brings_its_own_secrets(stand_in: Any) -> None:
    result = called(stand_in, "up", "-s", "dev", PULUMI_BACKEND_URL="s3://a-bucket")
    assert result["environment"]["PULUMI_BACKEND_URL"] == "s3://a-bucket"
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in result["environment"]
    assert result["arguments"] == ["up", "-s", "dev"]


def test_a_backend_in_the_project_stays(stand_in: Any) -> None:
    with (stand_in.root / "Pulumi.yaml").open("a") as file:
        file.write("backend:\n  url: gs://a-bucket\n")
    result = called(stand_in, "up", "-s", "dev")
    assert not set(SHOWN[:3]) & set(result["environment"])
    assert result["arguments"] == ["up", "-s", "dev"]


def test_another_project_is_left_alone(stand_in: Any, tmp_path: Path) -> None:
    other = stand_in.root / "home/other"
    other.mkdir()
    (other / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    for arguments, cwd in (
        (["up"], "home/other"),
        (["up", "-C", str(other)], "."),
        (["up", f"--cwd={other}"], "."),
    ):
        assert "PULUMI_BACKEND_URL" not in called(stand_in, *arguments, cwd=cwd)["environment"]


def test_the_directory_option_leads_here(stand_in: Any) -> None:
    environment = called(stand_in, "-C", str(stand_in.root / "stacks"), "up", "-s", "dev", cwd="home")[
        "environment"
    ]
    assert environment["PULUMI_BACKEND_URL"].endswith("/a checkout/.pilotlight/state")


@pytest.mark.parametrize("command", ["up", "preview", "refresh", "destroy", "import"])
def test_the_salt_goes_to_a_copy_of_the_settings(stand_in: Any, command: str) -> None:
    before = stand_in.settings.read_text()
    result = called(stand_in, command, "--stack", "dev")
    assert result["settings"] == "encryptionsalt: v1:salt\n" + before
    assert stand_in.settings.read_text() == before
    assert stand_in.git("status", "--short") == ""


@pytest.mark.parametrize("named", [["-s", "prod"], ["-sprod"], ["--stack=prod"]])
def test_the_salt_is_for_dev_only(stand_in: Any, named: list[str]) -> None:
    assert called(stand_in, "up", *named)["settings"] is None


def test_that_another_stack_is_not_shared_is_said_before_it_is_filled(stand_in: Any) -> None:
    assert "stack prod is kept in this checkout only" in stand_in.pulumi("up", "-s", "prod")
    assert "this checkout only" not in stand_in.pulumi("up", "-s", "dev")
    assert "this checkout only" not in stand_in.pulumi("up", "-s", "prod", PULUMI_BACKEND_URL="s3://a-bucket")


def test_settings_with_a_salt_of_their_own_are_used_as_they_are(stand_in: Any) -> None:
    stand_in.settings.write_text("encryptionsalt: v1:other\n")
    assert called(stand_in, "up", "-s", "dev")["settings"] is None


def test_a_settings_file_that_is_named_is_used(stand_in: Any) -> None:
    result = called(stand_in, "up", "-s", "dev", "--config-file", "stacks/Pulumi.dev.yaml", code=0)
    assert result["settings"] == stand_in.settings.read_text()


def test_copies_of_ended_runs_go(stand_in: Any) -> None:
    called(stand_in, "up", "-s", "dev")
    called(stand_in, "up", "-s", "dev")
    assert len(list((stand_in.root / ".pilotlight/settings").iterdir())) == 1


def test_the_stack_without_a_name_is_dev_where_there_is_no_other(stand_in: Any) -> None:
    assert called(stand_in, "up")["settings"]
    (stand_in.state.parent / "prod.json").write_text("{}")
    assert called(stand_in, "up")["settings"] is None
    assert called(stand_in, "up", PULUMI_STACK="dev")["settings"]


def test_removing_dev_keeps_its_settings(stand_in: Any) -> None:
    assert called(stand_in, "stack", "rm", "dev", "--yes")["arguments"][-1] == "--preserve-config"
    assert called(stand_in, "stack", "rm", "prod", "--yes")["arguments"][-1] == "--yes"


def test_the_cli_takes_the_place_of_the_shim(stand_in: Any) -> None:
    run = stand_in.start("up", "-s", "dev")
    said, _ = run.communicate(timeout=30)
    assert json.loads(said.splitlines()[0])["pid"] == run.pid


def test_the_lock_of_a_dead_process_is_released(stand_in: Any) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock = write_lock(stand_in, ended.pid)
    said = stand_in.pulumi("up", "-s", "dev")
    assert f"released the lock of process {ended.pid}" in said
    assert not lock.exists()


def test_the_lock_of_a_running_pulumi_stays_and_that_of_a_reused_id_goes(stand_in: Any) -> None:
    program = stand_in.root / "home/pulumi"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as running, subprocess.Popen(["sleep", "60"]) as unrelated:
        stays, goes = write_lock(stand_in, running.pid), write_lock(stand_in, unrelated.pid)
        stand_in.pulumi("up", "-s", "dev")
        running.kill()
        unrelated.kill()
    assert stays.exists()
    assert not goes.exists()


def test_the_lock_of_a_pulumi_that_nobody_has_waited_for_is_released(stand_in: Any) -> None:
    copy = stand_in.root / "home/pulumi"
    shutil.copy2(shutil.which("true") or "/bin/true", copy)
    ended = subprocess.Popen([copy])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # a zombie until somebody waits for it
    try:
        lock = write_lock(stand_in, ended.pid)
        assert f"released the lock of process {ended.pid}" in stand_in.pulumi("up", "-s", "dev")
        assert not lock.exists()
    finally:
        ended.wait()


def test_the_lock_of_another_host_stays(stand_in: Any) -> None:
    lock = write_lock(stand_in, 2**22 + 1, host="elsewhere")
    stand_in.pulumi("up", "-s", "dev")
    assert lock.exists()


def test_a_missing_cli_is_named_with_the_way_to_get_it(stand_in: Any) -> None:
    (stand_in.root / "home/stand-in").unlink()
    said = stand_in.pulumi("up", code=1)
    assert "home/stand-in" in said
    assert "setup" in said


def write_lock(stand_in: Any, pid: int, host: str = os.uname().nodename) -> Path:
    directory = stand_in.root / ".pilotlight/state/.pulumi/locks/organization/pilotlight/dev"
    directory.mkdir(parents=True, exist_ok=True)
    lock: Path = directory / f"{pid}.json"
    lock.write_text(
        json.dumps({"pid": pid, "username": "u", "hostname": host, "timestamp": "2026-01-01T00:00:00Z"})
    )
    return lock
