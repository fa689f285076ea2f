"""After the merge: audit, spend and traffic of the demo, and a review stack from its making to its end."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from tests.e2e.checkout import QUESTION, Checkout

pytestmark = pytest.mark.xdist_group("e2e")

PROGRAM = """
from components import ModelEndpoint, export_endpoints
quick = ModelEndpoint("quick", cloud="runpod", gpu="H100", image="r/x@sha256:{}", workers={{"min": 1, "max": 4}})
export_endpoints(quick)
""".format("0" * 64)
LEASE = "v1 stack=review-pr-5 base=dev expires={}"
FOUND = 3


def findings(checkout: Checkout, code: int = FOUND) -> dict[str, str]:
    """Name of what was found -> kind."""
    said = json.loads(checkout.run("pilotlight", "audit", "--json", code=code))
    return {one["name"]: one["kind"] for one in said["findings"]}


def kill_at_work(checkout: Checkout, process: "subprocess.Popen[str]") -> None:
    """Kill the engine that it started as soon as that holds the stack: no lock is released, nothing is cleaned up."""
    locks = checkout.root / ".pilotlight/state/.pulumi/locks"
    deadline = time.monotonic() + 20
    holders: list[int] = []
    while not holders and process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            holders = [json.loads(path.read_text())["pid"] for path in locks.rglob("*.json")]
        os.sched_yield()
    assert holders, f"the engine never held the stack: {process.communicate()[0]}"
    os.kill(holders[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "review-pr-5 is not removed" in said


def test_the_audit_tells_what_was_made_beside_the_state(lit: Checkout) -> None:
    assert "is what is declared" in lit.run("pilotlight", "audit")
    [ours] = lit.endpoints()
    body = {
        "type": "QUEUE",
        "gpu": {"pools": ["AMPERE_24"], "count": 1},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "image": ours["image"],
        "workers": {"min": 0, "max": 1},
    }
    mark = ours["env"]["PILOTLIGHT_MARK"]
    made = [
        lit.api("POST", "/v2/serverless", {**body, "name": name, "env": env})["id"]
        for name, env in (
            ("by-hand", {}),
            ("left-behind", {"PILOTLIGHT_MARK": mark}),
            ("elsewhere", {"PILOTLIGHT_MARK": "pl-22222222" + mark[11:]}),
        )
    ]
    lit.api("PATCH", f"/v2/serverless/{ours['id']}", {"workers": {"min": 0, "max": 0, "idleTimeout": 60}})
    try:
        assert findings(lit) == {
            "by-hand": "unknown",
            "left-behind": "orphan",
            "elsewhere": "stray",
            "search": "lowered",
        }
    finally:
        for id in made:
            lit.api("DELETE", f"/v2/serverless/{id}")
        lit.api("PATCH", f"/v2/serverless/{ours['id']}", {"workers": ours["workers"]})
    assert findings(lit, code=0) == {}


def test_what_ran_is_billed_and_counted(lit: Checkout) -> None:
    lit.call(QUESTION)
    lit.run("pilotlight", "call", "search-on-modal", "--input", json.dumps(QUESTION))
    spent = json.loads(lit.run("pilotlight", "spend", "--last", "1h", "--json"))
    lines = {line["name"]: line for line in spent["lines"]}
    assert float(lines["search"]["usd"]["billed"]) > 0
    assert lines["search"]["verdict"] == "no traffic declared"
    assert lines["search-on-modal"]["cloud"] == "modal"
    said = lit.run("pilotlight", "traffic", "search-on-modal", "-o", "traffic.yaml")
    assert "a guess" in said
    assert "requests_per_hour" in (lit.root / "traffic.yaml").read_text()
    assert "keeps no record" in lit.run("pilotlight", "traffic", "search", code=1)


def test_a_review_stack_lives_as_long_as_its_lease(lit: Checkout) -> None:
    lit.program(PROGRAM)
    [before] = lit.endpoints()
    said = lit.run("pilotlight", "review", "up", "--pr", "5", "--ttl", "1h")
    assert "leased until" in said
    [made] = [one for one in lit.endpoints() if one["id"] != before["id"]]
    assert (made["workers"]["min"], made["workers"]["max"]) == (0, 1)
    lit.run("pilotlight", "review", "reap")
    assert len(lit.endpoints()) == 2

    # Another machine has no settings of it; a reaper that is killed half way is followed by another.
    (lit.root / "stacks/Pulumi.review-pr-5.yaml").unlink()
    over = LEASE.format("2026-01-01T00:00:00Z")
    lit.run("pulumi", "stack", "tag", "set", "pilotlight:review", over, "--stack", "review-pr-5")
    kill_at_work(lit, lit.start("pilotlight", "review", "reap"))
    lit.run("pilotlight", "review", "reap")
    assert [one["id"] for one in lit.endpoints()] == [before["id"]]
    assert json.loads(lit.run("pilotlight", "review", "list", "--json"))["stacks"] == []
    assert "review-pr-5" not in lit.run("pulumi", "stack", "ls")
