"""`pulumi` typed by hand in a fresh checkout, with the real CLI: no setting, no salt in git, nothing in plain text."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.cli.state import clear_pending

pytestmark = pytest.mark.xdist_group("by-hand")

SECRET = """
    import pulumi
    pulumi.Stash("s", input=pulumi.Output.secret("CANARY"))
    pulumi.export("secret", pulumi.Output.secret("CANARY"))
    pulumi.export("word", pulumi.Config().get_secret("word"))
"""


def test_every_command_works_and_leaves_git_clean(checkout: Any) -> None:
    checkout.program(SECRET)
    checkout.pulumi("preview", "-s", "dev", cwd="stacks")
    checkout.pulumi("up", "--yes")
    state = json.loads(checkout.state.read_text())["checkpoint"]["latest"]
    salt = (checkout.root / ".pilotlight/dev.salt").read_text().strip()
    assert state["secrets_providers"] == {"type": "passphrase", "state": {"salt": salt}}
    assert checkout.pulumi("stack", "output", "--show-secrets", "secret").strip() == "CANARY"
    checkout.pulumi("refresh", "--yes")
    checkout.pulumi("destroy", "--yes")
    checkout.pulumi("stack", "rm", "dev", "--yes")
    assert checkout.git("status", "--short") == ""
    assert plain_text(checkout, "CANARY") == []


def test_secrets_open_with_the_generated_passphrase_only(checkout: Any) -> None:
    checkout.program(SECRET)
    checkout.pulumi("config", "set", "--secret", "word", "CANARY")
    changed = checkout.git("diff", "--unified=0")
    assert "secure:" in changed
    assert "salt" not in changed
    assert checkout.settings.read_text().startswith("# kept as it is\n")
    assert checkout.pulumi("config", "get", "word").strip() == "CANARY"
    checkout.pulumi("up", "--yes", "--skip-preview")
    assert json.loads(checkout.pulumi("stack", "output", "--json", "--show-secrets"))["word"] == "CANARY"
    assert plain_text(checkout, "CANARY") == []
    said = checkout.pulumi("preview", code=1, PULUMI_CONFIG_PASSPHRASE="another")
    assert "incorrect passphrase" in said


def test_two_first_commands_at_once_make_one_stack(checkout: Any) -> None:
    runs = [checkout.start("preview", "-s", "dev") for _ in range(2)]
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert checkout.git("status", "--short") == ""
    assert "already exists" in checkout.pulumi("stack", "init", "dev", code=1)


def test_a_lost_salt_is_found_again_in_the_state(checkout: Any) -> None:
    checkout.program(SECRET)
    checkout.pulumi("up", "--yes", "--skip-preview")
    salt = checkout.root / ".pilotlight/dev.salt"
    before = salt.read_text().strip()
    salt.unlink()
    assert "unchanged" in checkout.pulumi("up", "--yes", "--skip-preview")
    assert salt.read_text().strip() == before


BLOCKED = """
    import os, pulumi.dynamic as d

    class Provider(d.ResourceProvider):
        def create(self, props):
            if os.path.exists({began!r}):
                with open({began!r}, "w"):
                    pass
                open({never!r}).read()
            return d.CreateResult("an-id", {{}})

    class Slow(d.Resource):
        def __init__(self, name):
            super().__init__(Provider(), name, {{}})

    Slow("slow")
"""


def test_after_a_killed_run_the_next_one_works_and_nothing_stays_pending(checkout: Any) -> None:
    began, never = checkout.pipe("began"), checkout.pipe("never")
    checkout.program(BLOCKED.format(began=str(began), never=str(never)))
    run = checkout.start("up", "--yes", "--skip-preview")
    began.open().close()
    others = checkout.processes()
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=30)
    for pid in checkout.survivors([pid for pid in others if pid != run.pid], 1.0):
        os.kill(pid, signal.SIGKILL)  # the provider of dynamic resources, which does not watch the engine
    began.unlink()
    said = checkout.pulumi("up", "--yes", "--skip-preview")
    assert f"released the lock of process {run.pid}" in said
    assert pending(checkout) == ["creating"]

    (checkout.root / ".venv").unlink()
    (checkout.root / ".venv/bin").mkdir(parents=True)
    (checkout.root / ".venv/bin/pulumi").write_text(
        f'#!/bin/sh\nHOME="{checkout.root}/home" exec "{checkout.shim}" "$@"\n'
    )
    (checkout.root / ".venv/bin/pulumi").chmod(0o755)
    assert clear_pending(checkout.root, "dev") == [], "the resource is of another package"
    rename(checkout.state, "pulumi-python:dynamic", "pilotlight-runpod:index")
    assert len(clear_pending(checkout.root, "dev")) == 1
    assert pending(checkout) == []
    assert checkout.git("status", "--short") == ""


def pending(checkout: Any) -> list[str]:
    latest = json.loads(checkout.state.read_text())["checkpoint"]["latest"]
    return [operation["type"] for operation in latest.get("pending_operations") or []]


def rename(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def plain_text(checkout: Any, word: str) -> list[str]:
    """Files that a run has written and that hold a word as it is."""
    places = [checkout.root / ".pilotlight", checkout.root / "home", checkout.settings]
    found = subprocess.run(["grep", "-rl", word, *places], capture_output=True, text=True, check=False)
    return found.stdout.split()
