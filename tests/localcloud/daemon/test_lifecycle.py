import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.localcloud.daemon import lifecycle, process
from infra.localcloud.daemon.paths import CloudPaths

from .conftest import REPOSITORY, Checkout, wait_for

pytestmark = pytest.mark.xdist_group("cloud")


def test_up_starts_it_once_and_down_leaves_nothing(checkout: Checkout) -> None:
    first = checkout.pilotlight("up")
    assert "ready in" in first.stderr
    record = checkout.record
    store = checkout.status()["objectStore"]["pid"]

    again = checkout.pilotlight("up")
    assert f"running at {record['url']}" in again.stderr
    assert checkout.record == record

    assert "stopped" in checkout.pilotlight("down").stderr
    assert process.started(record["pid"]) is None
    assert process.started(store) is None
    assert not (checkout.root / ".pilotlight" / "cloud.json").exists()
    assert checkout.pilotlight("status", code=3).stdout.startswith("local cloud: not running")
    assert "was not running" in checkout.pilotlight("down").stderr


def test_a_restart_keeps_ports_keys_and_endpoints(running: Checkout) -> None:
    before = running.record
    running.create_endpoint(name="kept")
    running.pilotlight("down")
    running.pilotlight("up")
    for key in ("url", "runpod", "registry", "s3"):
        assert running.record[key] == before[key]
    assert [each["name"] for each in running.status()["endpoints"]] == ["kept"]


def test_what_holds_keys_is_for_its_owner_only(running: Checkout) -> None:
    private = [running.root / ".pilotlight" / "cloud.json", running.cloud / "keys.json"]
    private += [path for path in (running.cloud / "clients").iterdir() if path.is_file()]
    for path in private:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(running.cloud.stat().st_mode) == 0o700


def test_no_secret_of_the_caller_reaches_the_daemon(checkout: Checkout) -> None:
    canary = "canary-3f1c"
    names = (
        "AWS_SECRET_ACCESS_KEY",
        "RUNPOD_API_KEY",
        "PULUMI_CONFIG_PASSPHRASE",
        "PYTHONPATH",
        "SOMETHING_ELSE",
    )
    checkout.pilotlight("up", env=dict.fromkeys(names, canary))
    for pid in (checkout.record["pid"], checkout.status()["objectStore"]["pid"]):
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode()
        assert canary not in environment
        held = {entry.partition("=")[0] for entry in environment.split("\0") if entry}
        assert not held & set(names)
    secret = checkout.record["s3"]["secret_access_key"]
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert secret.encode() not in command.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_it_comes_back_after_kill_9_and_ends_what_was_left(running: Checkout) -> None:
    old, store = running.record["pid"], running.status()["objectStore"]["pid"]
    # What a worker leaves behind: a process of its own session that only its HOME connects with the cloud.
    home = running.cloud / "workers" / "w1" / "home"
    home.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"], env={"HOME": str(home)}, start_new_session=True) as orphan:
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: process.started(old) is None)
        wait_for(lambda: process.started(store) is None)
        assert running.pilotlight("status", code=3).stdout.startswith("local cloud: not running")

        said = running.pilotlight("up").stderr
        assert "ended 1 leftover process" in said
        assert orphan.wait(10) == -signal.SIGKILL
    assert running.record["pid"] != old
    assert running("GET", "/_local/health", key=False)[0] == 200


def test_down_finds_what_a_killed_daemon_left(running: Checkout) -> None:
    home = running.cloud / "workers" / "w1" / "home"
    home.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"], env={"HOME": str(home)}, start_new_session=True) as orphan:
        os.kill(running.record["pid"], signal.SIGKILL)
        assert str(orphan.pid) in running.pilotlight("down").stderr
        assert orphan.wait(10) == -signal.SIGKILL


def test_a_daemon_that_hangs_is_killed_with_all_it_started(
    running: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, store = running.record["pid"], running.status()["objectStore"]["pid"]
    monkeypatch.setattr(lifecycle, "STOP_S", 0.2)
    said: list[str] = []
    os.kill(daemon, signal.SIGSTOP)
    assert lifecycle.down(CloudPaths.of(running.root), said.append)
    assert "killing it" in said[0]
    assert process.started(daemon) is None
    assert process.started(store) is None


def test_a_daemon_whose_files_were_deleted_is_still_found(running: Checkout) -> None:
    daemon = running.record["pid"]
    shutil.rmtree(running.root / ".pilotlight")
    assert str(daemon) in running.pilotlight("down").stderr
    assert process.started(daemon) is None


def test_another_process_with_the_recorded_pid_is_left_alone(running: Checkout) -> None:
    record = running.record
    running.pilotlight("down")
    with subprocess.Popen(["sleep", "600"]) as bystander:
        stale = {**record, "pid": bystander.pid}
        (running.root / ".pilotlight" / "cloud.json").write_text(str(stale).replace("'", '"'))
        (running.root / ".pilotlight" / "cloud.lock").write_text(f"{bystander.pid}\n")
        assert running.pilotlight("status", code=3)
        running.pilotlight("down")
        assert bystander.poll() is None
        bystander.kill()


def test_three_commands_at_once_start_one_daemon(checkout: Checkout) -> None:
    started = [
        subprocess.Popen(checkout.command("up"), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], said
    assert sorted("ready in" in text for text in said) == [False, False, True]


def test_a_second_daemon_is_refused(running: Checkout) -> None:
    command = [sys.executable, "-m", "infra.localcloud.daemon", "--root", str(running.root)]
    second = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"runs already (pid {running.record['pid']})" in second.stderr
    assert running("GET", "/_local/health", key=False)[0] == 200


def test_two_checkouts_do_not_meet(new_checkout: Callable[[str], Checkout]) -> None:
    one, two = new_checkout("one"), new_checkout("two")
    one.pilotlight("up")
    two.pilotlight("up")
    assert not set(one.ports.values()) & set(two.ports.values())
    headers = {"Authorization": f"Bearer {one.record['runpod']['api_key']}"}
    assert one("GET", "/v2/serverless", headers=headers)[0] == 200
    assert two("GET", "/v2/serverless", headers=headers)[0] == 401
    one.pilotlight("down")
    assert two("GET", "/_local/health", key=False)[0] == 200


def test_shutdown_wants_the_key(running: Checkout) -> None:
    pid = running.record["pid"]
    assert running("POST", "/_local/shutdown", key=False)[0] == 401
    assert running("POST", "/_local/shutdown")[0] == 202
    wait_for(lambda: process.started(pid) is None)
    assert process.living_under(running.cloud) == []


def test_reset_deletes_the_state_and_only_when_told(running: Checkout) -> None:
    frozen = running.cloud / "images" / "unpacked"
    frozen.mkdir(parents=True)
    (frozen / "file").write_text("read only")
    frozen.chmod(0o500)
    key = running.record["runpod"]["api_key"]

    assert "nothing done" in running.pilotlight("reset", code=1).stderr
    assert running.record["runpod"]["api_key"] == key
    running.pilotlight("reset", "--yes")
    assert not running.cloud.exists()
    assert not (running.root / ".pilotlight" / "cloud.json").exists()
    running.pilotlight("up")
    assert running.record["runpod"]["api_key"] != key


def test_a_missing_object_store_is_named(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.root / ".pilotlight" / "toolchain.json").unlink(missing_ok=True)
    said = checkout.pilotlight("up", code=1, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}).stderr
    assert "versitygw" in said
    assert "make setup" in said
    assert process.living_under(checkout.cloud) == []


def test_a_directory_without_a_project_is_refused(checkout: Checkout) -> None:
    (checkout.root / "Pulumi.yaml").unlink()
    assert "has no Pulumi.yaml" in checkout.pilotlight("up", code=1).stderr
    (checkout.root / "Pulumi.yaml").write_text("name: test\n")
