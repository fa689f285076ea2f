"""What goes wrong on a bad day: killed processes, refused requests, strangers, secrets. Afterwards exactly one of each."""

import os
import re
import signal
import subprocess
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.checkout import QUESTION, Checkout

pytestmark = pytest.mark.xdist_group("e2e")

CANARY = "canary-4f1d9a7e"
RAW = """
import pulumi
from infra.runpod.sdk import Endpoint
Endpoint("raw", {extra}image="x/y@sha256:{zeros}", gpu={{"pools": ["AMPERE_24"]}}, workers={{"max": 1}}, wait_for_rollout=False)
"""


def raw(extra: str = "") -> str:
    return RAW.format(zeros="0" * 64, extra=extra)


def until(true: Callable[[], bool], what: str, limit_s: float = 60) -> None:
    """Wait for another process to get somewhere; there is no clock of theirs to inject."""
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        os.sched_yield()


def providers(cli: "subprocess.Popen[str]", name: str) -> list[int]:
    """The processes of one provider that a running CLI has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
            group = os.getsid(int(entry.name))
        except OSError:
            continue
        if f"pulumi-resource-pilotlight-{name}" in line and group == cli.pid:
            found.append(int(entry.name))
    return found


def held_in_create(checkout: Checkout) -> "subprocess.Popen[str]":
    """`pulumi up` with the request that creates the endpoint accepted, and its answer held back."""
    checkout.settle(hold={"kind": "slow", "path": "/v2/serverless", "methods": ["POST"], "seconds": 600})
    cli = checkout.start("pulumi", "up", "--yes", "--skip-preview", "--stack", "dev")
    journals = checkout.root / ".pilotlight"
    until(lambda: bool(providers(cli, "runpod")), "the provider started")
    until(lambda: "raw" in _journal(journals), "the provider noted what it is about to create")
    return cli


def _journal(directory: Path) -> str:
    files = [path for path in directory.rglob("*") if path.is_file() and "journal" in str(path)]
    return "".join(path.read_text(errors="replace") for path in files)


def names(checkout: Checkout) -> list[str]:
    return [endpoint["name"] for endpoint in checkout.endpoints()]


@pytest.mark.parametrize(
    "victim", ["provider", "engine", pytest.param("interrupt", marks=pytest.mark.campaign)]
)  # the kit's own tests interrupt the real engine every day
def test_cut_off_while_creating_there_is_exactly_one(lit: Checkout, victim: str) -> None:
    program = (lit.root / "stacks/__main__.py").read_text()
    lit.program(program + raw())
    cli = held_in_create(lit)
    if victim == "provider":
        [pid] = providers(cli, "runpod")
        os.kill(pid, signal.SIGKILL)
    elif victim == "engine":
        os.kill(cli.pid, signal.SIGKILL)
    else:
        os.kill(cli.pid, signal.SIGINT)
    cli.communicate(timeout=60)
    lit.settle()
    lit.up()
    assert len([name for name in names(lit) if name.startswith("raw")]) == 1
    assert "12 unchanged" in lit.up()
    lit.program(program)
    lit.up()
    assert [name for name in names(lit) if name.startswith("raw")] == []


def test_a_second_up_is_told_who_has_the_stack_and_a_preview_still_works(lit: Checkout) -> None:
    program = (lit.root / "stacks/__main__.py").read_text()
    lit.program(program + raw())
    cli = held_in_create(lit)
    said = lit.up(code=None)
    assert "currently locked" in said
    assert str(cli.pid) in said
    assert "to create" in lit.preview()
    os.kill(cli.pid, signal.SIGINT)
    cli.communicate(timeout=60)
    lit.settle()
    lit.program(program)
    lit.up()
    assert [name for name in names(lit) if name.startswith("raw")] == []


def test_an_up_whose_reader_went_away_is_simply_run_again(lit: Checkout) -> None:
    program = (lit.root / "stacks/__main__.py").read_text()
    lit.program(program + raw())
    cli = held_in_create(lit)
    assert cli.stdout is not None
    cli.stdout.close()  # what `pulumi up | head` does
    lit.settle()
    cli.wait(timeout=120)
    lit.up()
    assert len([name for name in names(lit) if name.startswith("raw")]) == 1
    lit.program(program)
    lit.up()


@pytest.mark.parametrize(
    "kind",
    [
        "drop_after",
        pytest.param("lost_answer", marks=pytest.mark.campaign),
        pytest.param("drop_before", marks=pytest.mark.campaign),
    ],
)
def test_a_lost_answer_creates_nothing_twice(lit: Checkout, kind: str) -> None:
    program = (lit.root / "stacks/__main__.py").read_text()
    lit.program(program + raw())
    lit.settle(lost={"kind": kind, "path": "/v2/serverless", "methods": ["POST"], "times": 1})
    lit.up(code=None)
    lit.settle()
    lit.up()
    assert len([name for name in names(lit) if name.startswith("raw")]) == 1
    lit.program(program)
    lit.up()


def test_a_storm_of_429_is_sat_out(lit: Checkout) -> None:
    program = (lit.root / "stacks/__main__.py").read_text()
    lit.program(program + raw())
    lit.settle(storm={"kind": "rate_limit", "path": "/v2/serverless", "times": 3, "seconds": 1})
    assert "1 created" in lit.up()
    lit.program(program)
    lit.up()


def test_a_stranger_with_our_name_is_refused_and_import_is_named(lit: Checkout) -> None:
    body = {
        "name": "theirs",
        "type": "QUEUE",
        "image": "x/y@sha256:" + "0" * 64,
        "gpu": {"pools": ["AMPERE_24"]},
        "workers": {"max": 0},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    }
    stranger = lit.api("POST", "/v2/serverless", body)
    program = (lit.root / "stacks/__main__.py").read_text()
    lit.program(program + raw('name="theirs", '))
    said = lit.up(code=None)
    assert f"pulumi import pilotlight-runpod:index:Endpoint raw {stranger['id']}" in said
    assert names(lit).count("theirs") == 1
    lit.api("DELETE", f"/v2/serverless/{stranger['id']}")
    lit.program(program)
    lit.up()


def test_a_wrong_key_is_named(lit: Checkout) -> None:
    lit.program(
        "import pulumi\n"
        "from infra.runpod.sdk import Endpoint\n"
        f"wrong = pulumi.ProviderResource('pilotlight-runpod', 'wrong', {{'target': 'cloud', 'baseUrl': '{lit.cloud['url']}'}})\n"
        + raw("opts=pulumi.ResourceOptions(provider=wrong), ")
    )
    lit.run("pulumi", "stack", "init", "staging", code=None)
    said = lit.run(
        "pulumi",
        "up",
        "--yes",
        "--skip-preview",
        "--stack",
        "staging",
        code=None,
        RUNPOD_API_KEY="not-the-key",
    )
    assert "401" in said
    assert "RUNPOD_API_KEY" in said
    assert "not-the-key" not in said
    assert "Traceback" not in said


def test_a_secret_is_found_nowhere(lit: Checkout) -> None:
    program = (lit.root / "stacks/__main__.py").read_text()
    lit.run("pulumi", "config", "set", "--secret", "pilotlight:token", CANARY, "--stack", "dev")
    said = []
    lit.program(
        program.replace(
            "weights=weights, **",
            "weights=weights, env={'TOKEN': pulumi.Config('pilotlight').require_secret('token')}, **",
        ).replace("from components", "import pulumi\n\nfrom components", 1)
    )
    said.append(lit.preview())
    said.append(lit.up())
    said.append(lit.call(QUESTION))
    said.append(lit.run("pulumi", "refresh", "--yes", "--skip-preview", "--diff", "--stack", "dev"))
    said.append(lit.run("pulumi", "stack", "export", "--stack", "dev"))
    said.append(lit.run("pulumi", "stack", "output", "--json", "--stack", "dev"))
    said.append(lit.run("pilotlight", "cloud", "logs"))
    assert not any(CANARY in text for text in said)
    [endpoint] = [found for found in lit.endpoints() if found["name"].startswith("search")]
    assert endpoint["env"]["TOKEN"] == CANARY  # it did get there
    leaks = [str(path) for path in _files(lit.root) if CANARY in path.read_text(errors="replace")]
    # the local RunPod itself must keep the value, as the real one does
    assert [leak for leak in leaks if "/.pilotlight/cloud/state.sqlite" not in leak] == []
    assert [line for line in lit.processes().values() if CANARY in line] == []
    assert _environments_with(lit, CANARY) <= {"worker"}
    lit.run("pulumi", "config", "rm", "pilotlight:token", "--stack", "dev")
    lit.program(program)
    lit.up()


def _files(root: Path) -> list[Path]:
    skipped = (root / ".venv", root / ".pilotlight/models", root / ".pilotlight/cloud/s3")
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(skip) for skip in skipped)
    ]


def _environments_with(checkout: Checkout, text: str) -> set[str]:
    """Which kinds of processes have `text` in their environment."""
    kinds = set()
    for pid, line in checkout.processes().items():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in environment:
            works = "rp_handler" in line or "_container_entrypoint" in line
            kinds.add("worker" if works else line)
    return kinds


def test_two_checkouts_run_side_by_side(lit: Checkout, fresh: Checkout) -> None:
    fresh.program(raw())
    fresh.up()
    assert fresh.cloud["url"] != lit.cloud["url"]
    assert [re.sub(r"-.*", "", name) for name in names(fresh)] == ["raw"]
    assert not any(name.startswith("raw") for name in names(lit))
    with pytest.raises(urllib.error.HTTPError, match="401"):
        fresh.api("GET", "/v2/serverless", key=lit.cloud["runpod"]["api_key"])
    fresh.run("pilotlight", "down")
    assert lit.cloud_runs


def test_a_cloud_that_was_killed_comes_back_with_what_it_had(lit: Checkout) -> None:
    before = lit.endpoints()
    os.kill(lit.cloud["pid"], signal.SIGKILL)
    lit.edit("max=2", "max=3")
    assert "2 updated" in lit.up()
    [after] = lit.endpoints()
    assert after["id"] == before[0]["id"]
    assert "refunds" in lit.call(QUESTION)
    lit.edit("max=3", "max=2")
    lit.up()


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ("StagedWeights('nothing', bucket=bucket, source='empty')", ["empty"]),
        ("StagedWeights('rotten', bucket=bucket, source='rotten')", ["bad.safetensors", "evil.pt"]),
        ("StagedWeights('gone', bucket=bucket, source='gone')", ["gone"]),
        ("pulumi.export('ref', ModelImage('none', handler='absent').ref)", ["absent"]),
        ("pulumi.export('ref', ModelImage('broken', handler='broken').ref)", ["Mdel", "Model"]),
    ],
)
def test_what_cannot_work_stops_the_preview(lit: Checkout, declaration: str, said: list[str]) -> None:
    for name, files in {
        "empty": {},
        "rotten": {"bad.safetensors": b"not safetensors", "evil.pt": b"\x80\x04K\x01."},
        "broken": {"model.py": b"class Mdel:\n    pass\n"},
    }.items():
        (lit.root / name).mkdir(exist_ok=True)
        for file, content in files.items():
            (lit.root / name / file).write_bytes(content)
    lit.program(
        "import pulumi\nfrom components import ModelImage, StagedWeights, WeightBucket\n"
        "bucket = WeightBucket('weights', force_destroy=True)\n" + declaration
    )
    answer = lit.preview(code=None)
    for part in said:
        assert part in answer
    assert "Traceback" not in answer


def test_a_wrong_declaration_is_told_whole_and_creates_nothing(lit: Checkout) -> None:
    before = lit.endpoints()
    lit.edit('cloud="runpod", gpu="L4"', 'cloud="runpod", auth="none", gpu=["H10", "T4"]')
    said = lit.up(code=None)
    for part in ("gpu[0]", "H100", "gpu[1]", "auth"):
        assert part in said
    assert "Traceback" not in said
    assert lit.endpoints() == before


def test_a_raw_resource_is_held_to_the_same_rules(lit: Checkout) -> None:
    program = (lit.root / "stacks/__main__.py").read_text()
    lit.program(
        program
        + "\nfrom infra.runpod.sdk import Endpoint\n"
        + "Endpoint('raw', image='x/y:latest', gpu={'pools': ['AMPERE_2']}, cpu=[{'id': 'cpu3c'}],"
        + " workers={'min': 4, 'max': 2, 'idle_timeout': 0})\n"
    )
    said = lit.preview(code=None)
    for part in ("AMPERE_24", "workers.max", "idleTimeout", "cpu"):
        assert part in said, part
    lit.program(program)
