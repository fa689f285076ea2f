"""Finding and starting the local cloud."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from infra.kit.local import LocalCloudError, ensure_cloud, find_root, read_cloud, seek_root

SAID = {
    "version": 1,
    "url": "http://127.0.0.1:1",
    "runpod": {"api_key": "rk"},
    "registry": {"url": "http://127.0.0.1:2", "host": "127.0.0.1:2"},
    "s3": {
        "url": "http://127.0.0.1:3",
        "access_key_id": "a",
        "secret_access_key": "s",
        "region": "us-east-1",
    },
}


def say(root, pid):
    (root / ".pilotlight").mkdir(exist_ok=True)
    (root / ".pilotlight" / "cloud.json").write_text(json.dumps({**SAID, "pid": pid}))


def test_a_number_given_to_another_process_is_no_running_cloud(root):
    (root / ".pilotlight").mkdir()
    mine = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    for started, runs in ((mine, True), (str(int(mine) + 1), False)):
        said = {**SAID, "pid": os.getpid(), "pid_started": started}
        (root / ".pilotlight" / "cloud.json").write_text(json.dumps(said))
        assert (read_cloud(root) is not None) is runs


def stand_in(root, body):
    """A `pilotlight` command of the checkout."""
    command = root / ".venv" / "bin" / "pilotlight"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\n{body}\n")
    command.chmod(0o755)


def test_the_root_is_found_from_below(root):
    below = root / "stacks" / "deep"
    below.mkdir(parents=True)
    assert find_root(below) == root
    assert seek_root(Path("/")) is None
    with pytest.raises(LocalCloudError, match=r"no Pulumi\.yaml"):
        find_root(Path("/"))


def test_a_running_cloud_is_read_a_dead_or_broken_one_is_not(root):
    assert read_cloud(root) is None
    say(root, os.getpid())
    cloud = read_cloud(root)
    assert cloud is not None
    assert (cloud.runpod_api_key, cloud.registry_host, cloud.s3.region) == ("rk", "127.0.0.1:2", "us-east-1")
    say(root, 2**22 + 1)
    assert read_cloud(root) is None
    (root / ".pilotlight" / "cloud.json").write_text("{")
    assert read_cloud(root) is None


def test_it_is_started_detached_and_without_secrets(root, monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", "canary")
    monkeypatch.setenv("PULUMI_CONFIG", "canary")
    monkeypatch.setenv("PILOTLIGHT_HOME", "kept")
    (root / ".pilotlight").mkdir()
    said = json.dumps({**SAID, "pid": os.getpid()})
    stand_in(
        root,
        'echo "$@" > args; env > env; ps -o pgid= -p $$ > group\n'
        f"cat > .pilotlight/cloud.json <<'X'\n{said}\nX",
    )
    said_to_user = []
    cloud = asyncio.run(ensure_cloud(root, said_to_user.append))
    assert cloud.url == "http://127.0.0.1:1"
    assert said_to_user == ["starting the local cloud"]
    assert (root / "args").read_text().split() == ["cloud", "up"]
    environment = (root / "env").read_text()
    assert "canary" not in environment
    assert "PILOTLIGHT_HOME=kept" in environment
    assert int((root / "group").read_text()) != os.getpgrp()


def test_a_running_cloud_is_not_started_again(root):
    say(root, os.getpid())
    said_to_user = []
    assert asyncio.run(ensure_cloud(root, said_to_user.append)).pid == os.getpid()
    assert said_to_user == []


def test_a_cloud_that_does_not_start_says_why(root):
    stand_in(root, 'echo "port 7777 is taken" >&2; exit 3')
    with pytest.raises(LocalCloudError, match=r"exit code 3.*port 7777 is taken"):
        asyncio.run(ensure_cloud(root, lambda text: None))


def test_a_missing_environment_is_named(root):
    with pytest.raises(LocalCloudError, match="does not exist"):
        asyncio.run(ensure_cloud(root, lambda text: None))
