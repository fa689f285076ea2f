"""The kit under the real engine: what a user meets when things go right, and when they are killed."""

import json
import os
import shutil
import signal

import pytest

from tests.kit.project import TOOLCHAIN, kill, pulumi_cli
from tests.kit.stack import Stack

CRATE = "urn:pulumi:dev::shop::toy:index:Box::crate"

pytestmark = pytest.mark.xdist_group("engine")


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A stack that was just made: copied by each test, because making one takes a second."""
    cli = pulumi_cli()
    if cli is None:
        pytest.skip(f"no Pulumi CLI: {TOOLCHAIN} names none (run `make setup`)")
    return Stack.make(tmp_path_factory.mktemp("empty"), cli)


@pytest.fixture
def stack(tmp_path, empty):
    return empty.copy(tmp_path / "shop")


def box(**args):
    return f'Box("crate", **{args!r})'


def test_a_second_up_finds_nothing_to_do(stack):
    stack.program(box(image="a", workers={"min": 1}, tags=["b", "a"], env={"A.B": "1"}))
    stack.up()
    stack.program(box(image="a", workers={"min": 1.0, "max": 3}, tags=["a", "b"], env={"A.B": "1"}))
    assert "2 unchanged" in stack.up()
    assert "2 unchanged" in stack.preview()


def test_a_refused_property_is_named_in_the_preview(stack):
    stack.program(box(image="a", gpu="H10", workers={"min": 9}))
    out = stack.run("preview", "--non-interactive", code=None)
    assert "'H10'" in out
    assert "did you mean 'H100'" in out
    assert "workers.max" in out


def test_a_provider_killed_in_create_leaves_exactly_one(stack):
    stack.program(box(image="a"))
    stack.hold("before-ready")
    cli = stack.start("up", "--yes", "--skip-preview", "--non-interactive")
    stack.until_held()
    (pid,) = stack.provider_pids(cli)
    kill(pid)
    cli.communicate(timeout=60)
    assert cli.returncode != 0
    assert stack.resources() == []
    assert list(stack.boxes) == ["box-1"]
    stack.up()
    assert [item["id"] for item in stack.resources()] == list(stack.boxes) == ["box-1"]


def test_an_engine_killed_in_create_takes_its_provider_along_and_leaves_exactly_one(stack):
    stack.program(box(image="a"))
    stack.hold("before-ready")
    cli = stack.start("up", "--yes", "--skip-preview", "--non-interactive")
    stack.until_held()
    (pid,) = stack.provider_pids(cli)
    watch = os.pidfd_open(pid)
    kill(cli.pid)
    cli.communicate(timeout=60)
    assert ended(watch, within_s=2)
    stack.run("cancel", "--yes")
    stack.up()
    assert [item["id"] for item in stack.resources()] == list(stack.boxes) == ["box-1"]


def test_an_engine_killed_before_it_saved_anything_leaves_exactly_one_of_each(stack):
    stack.set("PULUMI_SKIP_CHECKPOINTS", "true")
    both = 'one = Box("one", image="a")\n{}\nBox("crate", image="a", opts=pulumi.ResourceOptions(depends_on=[one]))'
    stack.program(
        both.format(f'one.url.apply(lambda _: open({str(stack.cloud / "hold-before-ready")!r}, "w"))')
    )
    cli = stack.start("up", "--yes", "--skip-preview", "--non-interactive")
    stack.until_held()
    kill(cli.pid)
    cli.communicate(timeout=60)
    assert list(stack.boxes) == ["box-1", "box-2"]
    stack.run("cancel", "--yes")
    stack.program(both.format(""))
    stack.up()
    assert sorted(item["id"] for item in stack.resources()) == list(stack.boxes) == ["box-1", "box-2"]


def test_ctrl_c_keeps_the_id_and_the_next_up_finishes(stack):
    stack.program(box(image="a"))
    stack.hold("before-ready")
    cli = stack.start("up", "--yes", "--skip-preview", "--non-interactive")
    stack.until_held()
    cli.send_signal(signal.SIGINT)
    out, _ = cli.communicate(timeout=60)
    assert cli.returncode != 0
    assert "creating (0s) waiting" in out
    assert "stopped before it was finished" in out
    (item,) = stack.resources()
    assert item["id"] == "box-1"
    assert item["initErrors"]
    stack.up()
    (item,) = stack.resources()
    assert item["id"] == "box-1"
    assert not item.get("initErrors")
    assert len(stack.boxes) == 1


def test_replace_makes_another_one_and_removes_the_old(stack):
    stack.program(box(image="a"))
    stack.up()
    stack.up("--replace", CRATE)
    assert [item["id"] for item in stack.resources()] == list(stack.boxes) == ["box-2"]
    stack.up("--replace", CRATE)
    assert [item["id"] for item in stack.resources()] == list(stack.boxes) == ["box-3"]


def test_replace_without_a_journal_never_deletes_the_only_one(stack):
    stack.program(box(image="a"))
    stack.up()
    shutil.rmtree(stack.directory / ".pilotlight")
    out = stack.up("--replace", CRATE)
    assert "kept box-1" in out
    assert [item["id"] for item in stack.resources()] == list(stack.boxes) == ["box-1"]
    stack.up("--replace", CRATE)
    assert [item["id"] for item in stack.resources()] == list(stack.boxes) == ["box-2"]


@pytest.mark.parametrize("again", [("--replace", CRATE), ()])
def test_a_replace_killed_half_way_leaves_exactly_one(stack, again):
    stack.program(box(image="a"))
    stack.up()
    stack.hold("before-ready")
    cli = stack.start("up", "--yes", "--skip-preview", "--non-interactive", "--replace", CRATE)
    stack.until_held()
    (pid,) = stack.provider_pids(cli)
    kill(pid)
    cli.communicate(timeout=60)
    stack.up(*again)
    assert [item["id"] for item in stack.resources()] == list(stack.boxes)
    assert len(stack.boxes) == 1


@pytest.mark.parametrize("region", ["us", "eu"])
def test_a_replacement_by_diff_killed_half_way_and_repeated_or_given_up(stack, region):
    stack.program(box(image="a", region="eu"))
    stack.up()
    stack.program(box(image="a", region="us"))
    stack.hold("before-ready")
    cli = stack.start("up", "--yes", "--skip-preview", "--non-interactive")
    stack.until_held()
    (pid,) = stack.provider_pids(cli)
    kill(pid)
    cli.communicate(timeout=60)
    assert len(stack.boxes) == 2
    stack.program(box(image="a", region=region))
    stack.up()
    assert [item["id"] for item in stack.resources()] == list(stack.boxes)
    assert [one["region"] for one in stack.boxes.values()] == [region]


def test_after_an_import_the_next_preview_is_empty(stack):
    stack.program(box(image="a", name="mine", env={"A": "1"}, workers={"min": 2, "max": 4}))
    stack.up()
    stack.run("state", "delete", CRATE, "--yes")
    stack.run(
        "import", "toy:index:Box", "crate", "box-1", "--yes", "--generate-code=false", "--protect=false"
    )
    out = stack.preview()
    assert "2 unchanged" in out, out
    assert "2 unchanged" in stack.up()
    stack.run("destroy", "--yes", "--non-interactive")
    assert len(stack.boxes) == 0


def test_a_console_edit_shows_at_refresh_and_up_puts_it_right(stack):
    stack.program(box(image="a", workers={"min": 1}))
    stack.up()
    (id,) = stack.boxes
    stack.boxes[id]["image"] = "edited"
    stack.boxes[id]["workers"] = {"min": 2, "max": 3}
    out = stack.run("refresh", "--yes", "--non-interactive")
    assert "1 updated" in out
    out = stack.preview()
    assert "edited" in out
    assert "min" in out
    stack.up()
    assert stack.boxes[id]["image"] == "a"
    del stack.boxes[id]
    stack.run("refresh", "--yes", "--non-interactive")
    assert stack.resources() == []


def test_a_secret_is_in_no_state_no_log_and_no_preview(stack):
    canary = "canary-7c1d9e"
    body = f'Box("crate", image="a", env={{"KEY": pulumi.Output.secret("{canary}")}}, password="{canary}")'
    stack.program(body)
    out = stack.run("config", "set", "toy:apiKey", canary, "--secret")
    out += stack.preview() + stack.up() + stack.up()
    out += stack.run("refresh", "--yes", "--non-interactive", "--diff")
    stack.program(body.replace('"a"', '"b"'))
    out += stack.preview() + stack.up("--diff")
    assert stack.boxes["box-1"]["env"]["KEY"] == canary
    assert canary not in out
    assert canary not in stack.state_text()
    journals = "".join(path.read_text() for path in (stack.directory / ".pilotlight").rglob("*.jsonl"))
    assert journals
    assert canary not in journals


def test_a_value_that_becomes_secret_leaves_the_state(stack):
    canary = "canary-55aa"
    stack.program(f'Box("crate", image="a", env={{"KEY": "{canary}"}})')
    stack.up()
    assert canary in stack.state_text()
    stack.program(f'Box("crate", image="a", env={{"KEY": pulumi.Output.secret("{canary}")}})')
    stack.up()
    state = json.dumps(stack.resources())
    assert canary not in state


def test_a_changed_configuration_reaches_the_provider(stack):
    stack.program(box(image="a"))
    stack.up()
    (before,) = stack.resources("pulumi:providers:toy")
    stack.run("config", "set", "toy:retries", "5")
    assert "2 unchanged" in stack.up()
    (after,) = stack.resources("pulumi:providers:toy")
    assert after["inputs"]["retries"] == 5
    assert after["inputs"]["__instance"] == before["inputs"]["__instance"]
    stack.run("config", "set", "toy:target", "local")
    stack.up()
    assert [item["id"] for item in stack.resources()] == list(stack.boxes) == ["box-2"]


def ended(pidfd, within_s):
    import select

    ready, _, _ = select.select([pidfd], [], [], within_s)
    os.close(pidfd)
    return bool(ready)
