"""The official CLI and library read back, roll back, scale and stop."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.localcloud.modal.model import LogLine, TaskState, TaskView


@pytest.fixture
def deployed(cloud, source: Path):
    """Version 1 with double(x) = 2x, version 2 with 3x."""
    cloud.modal("deploy", str(source), "--tag", "first")
    source.write_text(source.read_text().replace("return 2 * x", "return 3 * x"))
    cloud.modal("deploy", str(source))
    cloud.fleet.applied.clear()
    return cloud


def test_apps_are_listed(deployed) -> None:
    (row,) = deployed.modal_json("app", "list")
    assert (row["description"], row["state"], row["tasks"]) == ("shop", "deployed", "0")


def test_history_shows_versions_and_tags(deployed) -> None:
    rows = deployed.modal_json("app", "history", "shop")
    assert [(row["version"], row["tag"]) for row in rows] == [("v2", None), ("v1", "first")]


def test_a_rollback_brings_the_old_definition_as_a_new_version(deployed) -> None:
    app = deployed.world.deployed("shop", "main")
    double = app.function_ids["double"]
    first = deployed.world.deployments[f"{app.app_id}/000001"].definition_ids[double]
    assert deployed.world.function(double).definition_id != first
    assert "rollback successful" in deployed.modal("app", "rollback", "shop")
    assert deployed.world.function(double).definition_id == first
    assert deployed.world.function(double).version == 3
    assert deployed.modal_json("app", "history", "shop")[0]["version"] == "v3"
    assert double in deployed.fleet.applied
    assert "has no version v9" in deployed.modal("app", "rollback", "shop", "v9", ok=False)


def test_a_rollover_replaces_every_container_and_changes_nothing(deployed) -> None:
    app = deployed.world.deployed("shop", "main")
    before = {key: deployed.world.function(key).definition_id for key in app.function_ids.values()}
    deployed.modal("app", "rollover", "shop")
    after = {key: deployed.world.function(key).definition_id for key in app.function_ids.values()}
    assert after == before
    assert {deployed.world.function(key).version for key in after} == {3}
    assert set(deployed.fleet.applied) == set(after)


def test_only_functions_that_changed_get_new_containers(cloud, source: Path) -> None:
    cloud.modal("deploy", str(source))
    source.write_text(source.read_text().replace("timeout=60", "timeout=61"))
    cloud.modal("deploy", str(source))
    app = cloud.world.deployed("shop", "main")
    versions = {tag: cloud.world.function(key).version for tag, key in app.function_ids.items()}
    # The file is every function's code, so a change in it changes them all.
    assert set(versions.values()) == {2}
    cloud.modal("deploy", str(source), "--tag", "named")
    assert cloud.world.deployed("shop", "main").version == 3
    assert {cloud.world.function(key).version for key in app.function_ids.values()} == {2}


def test_a_stopped_app_is_gone_for_callers_and_stays_in_the_list(deployed) -> None:
    deployed.modal("app", "stop", "shop", "--yes")
    (row,) = deployed.modal_json("app", "list")
    assert row["state"] == "stopped"
    assert len(deployed.fleet.stopped_apps) == 1
    assert not len(deployed.world.web_routes)
    code = "import modal; modal.Function.from_name('shop', 'double').hydrate()"
    assert "App 'shop' not found" in deployed.python(code, ok=False)
    assert "already stopped" in deployed.modal("app", "stop", "shop", "--yes", ok=False)


def test_the_autoscaler_is_set_and_read_field_by_field(deployed) -> None:
    said = deployed.python(
        "import modal\n"
        "f = modal.Function.from_name('shop', 'double')\n"
        "show = lambda s: print(s.min_containers, s.max_containers, s.buffer_containers, s.scaledown_window)\n"
        "show(f.autoscaler.settings())\n"
        "show(f.autoscaler.update(min_containers=2, scaledown_window=90))\n"
        "show(f.autoscaler.update(buffer_containers=1, max_containers=None))\n"
        "print(f.get_current_stats())\n"
    ).splitlines()
    assert said[:3] == ["0 4 0 60", "2 4 0 90", "2 None 1 90"]
    assert "backlog=3" in said[3]
    double = deployed.world.deployed("shop", "main").function_ids["double"]
    assert deployed.fleet.applied == [double, double]
    deployed.restart()
    assert deployed.world.function(double).settings.min_containers == 2


def test_a_deploy_takes_back_what_was_set_since(deployed, source: Path) -> None:
    double = deployed.world.deployed("shop", "main").function_ids["double"]
    deployed.python(
        "import modal; modal.Function.from_name('shop', 'double').autoscaler.update(min_containers=2)"
    )
    source.write_text(source.read_text() + "\n# changed\n")
    deployed.modal("deploy", str(source))
    assert deployed.world.function(double).settings.min_containers == 0


def test_fewer_containers_than_the_minimum_are_refused(deployed) -> None:
    code = "import modal; modal.Function.from_name('shop', 'double').autoscaler.update(min_containers=9)"
    assert "min_containers=9, more than its max_containers=4" in deployed.python(code, ok=False)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("scaledown_window=120", "scaledown_window=3601", "scaledown_window=3601"),
        ('"H100"', '"RTX-9090"', "RTX-9090"),
        ("timeout=60", "timeout=90000", "must be between 1 and 86400"),
    ],
)
def test_what_modal_does_not_offer_is_refused(cloud, source: Path, old: str, new: str, reason: str) -> None:
    source.write_text(source.read_text().replace(old, new))
    assert reason in cloud.modal("deploy", str(source), ok=False)
    assert cloud.world.deployed("shop", "main") is None


def test_tags_are_read_and_written(deployed) -> None:
    said = deployed.python(
        "import modal\n"
        "app = modal.App.lookup('shop')\n"
        "print(app.get_tags())\n"
        "app.set_tags({'pilotlight.spec': 'abc'})\n"
        "print(app.get_tags())\n"
    ).splitlines()
    assert said == ["{'team': 'blue'}", "{'pilotlight.spec': 'abc'}"]


def test_containers_are_listed_and_stopped(deployed) -> None:
    app = deployed.world.deployed("shop", "main")
    now = deployed.world.clock.now()
    view = TaskView(
        "ta-0123456789", app.app_id, app.function_ids["double"], "main", TaskState.RUNNING, 2, now, now
    )
    deployed.fleet.views.append(view)
    (row,) = deployed.modal_json("container", "list")
    assert row["container_id"] == "ta-0123456789"
    assert deployed.modal_json("app", "list")[0]["tasks"] == "1"
    deployed.modal("container", "stop", "ta-0123456789", "--yes")
    assert deployed.fleet.stopped_tasks[0][0] == "ta-0123456789"


def test_logs_are_shown(deployed) -> None:
    app = deployed.world.deployed("shop", "main")
    now = deployed.world.clock.now()
    line = LogLine(now - 5, 1, "ta-1", app.function_ids["double"], 1, "hello there\n")
    deployed.fleet.lines += [line, replace(line, seq=2, source=2, text="trouble\n")]
    assert deployed.modal("app", "logs", "shop") == "hello there\ntrouble\n"
    assert deployed.modal("app", "logs", "shop", "--source", "stderr") == "trouble\n"


def test_logs_end_with_the_app(deployed) -> None:
    """Following would wait for ever, did the server not say that all is said."""
    app = deployed.world.deployed("shop", "main")
    now = deployed.world.clock.now()
    deployed.fleet.lines.append(LogLine(now, 1, "ta-1", app.function_ids["double"], 1, "last words\n"))
    deployed.modal("app", "stop", "shop", "--yes")
    assert deployed.modal("app", "logs", app.app_id, "--follow") == "last words\n"
