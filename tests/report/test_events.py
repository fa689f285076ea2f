"""The engine's events: what is told of them, and that nothing which the engine may ever say breaks the report."""

import json
import os
from pathlib import Path

import pytest

from infra.report.events import read
from infra.report.model import Diff
from tests.report.made import event, lines, step, urn

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def test_changes_are_told_once_with_their_properties() -> None:
    old, new = (
        {"gpu": "L4", "workers": {"max": 2}, "pw": None},
        {"gpu": UNKNOWN, "workers": {"max": 4}, "pw": SECRET},
    )
    diff = {
        "gpu": {"diffKind": "update-replace", "inputDiff": True},
        "workers.max": {"diffKind": "update", "inputDiff": True},
        "pw": {"diffKind": "add", "inputDiff": True},
    }
    steps = [step("a", op, old, new, detailedDiff=diff) for op in ("create-replacement", "replace")]
    steps.append(step("a", "delete-replaced", old))
    stream = read(event(index, resourcePreEvent=one) for index, one in enumerate(steps))
    [change] = stream.changes
    assert (change.op, change.name, change.custom) == ("replace", "a", True)
    assert change.diffs == (
        Diff("gpu", "update-replace", "L4", "known at up"),
        Diff("pw", "add", "", "[secret]"),
        Diff("workers.max", "update", "2", "4"),
    )


def test_what_stays_and_what_is_the_engines_own_is_no_change() -> None:
    provider = event(1, resourcePreEvent=step("default", "create", None, {})).replace(
        "pilotlight-runpod:index:Endpoint", "pulumi:providers:pilotlight-runpod"
    )
    stream = read([event(0, resourcePreEvent=step("a", "same", {}, {})), provider])
    assert stream.changes == []


def test_a_diff_without_details_names_the_properties() -> None:
    body = step(
        "a", "update", {"gpu": "L4"}, {"gpu": "T4"}, detailedDiff=None, diffs=["gpu", "__pilotlight"], keys=[]
    )
    assert read([event(0, resourcePreEvent=body)]).changes[0].diffs == (Diff("gpu", "update", "L4", "T4"),)


def test_unknown_events_are_counted_and_broken_ones_too() -> None:
    said = [event(0, quantumEvent={"spin": 1}), event(1, quantumEvent={}), "{not json", "[]", '"x"', "", "  "]
    said += [
        event(2, resourcePreEvent={"metadata": "?"}),
        event(3, policyEvent={}),
        event(4, diagnosticEvent=[]),
    ]
    stream = read([*said, *lines(1)])
    assert stream.unknown == {"quantumEvent": 2}
    assert stream.broken == 6
    assert stream.ended
    assert len(stream.changes) == 1


def test_without_a_summary_the_preview_broke_off() -> None:
    stream = read(lines(7, end=None))
    assert (stream.ended, stream.succeeded) == (False, False)
    assert len(stream.changes) == 7


@pytest.mark.parametrize(
    "place", ["env.WORD", 'env["A.B"]', "classes.Model.env.X", "accessKeyId", "registryToken"]
)
def test_values_of_environments_and_credentials_are_never_told(place: str) -> None:
    inputs = {
        "env": {"WORD": "canary", "A.B": "canary"},
        "classes": {"Model": {"env": {"X": "canary"}}},
        "accessKeyId": "canary",
        "registryToken": "canary",
    }
    body = step("a", "update", {}, inputs, detailedDiff={place: {"diffKind": "add", "inputDiff": True}})
    [diff] = read([event(0, resourcePreEvent=body)]).changes[0].diffs
    assert diff.after == "[hidden]"


def test_the_deployed_intents_and_what_providers_completed_are_kept() -> None:
    intent = {"endpoint": "chat", "sizes": {"image_bytes": UNKNOWN}, "workers": {"max": 2.0}}
    stream = read([event(0, resourcePreEvent=step("a", "same", {"intent": intent}, {"image": UNKNOWN}))])
    assert stream.deployed[urn("a")]["workers"] == {"max": 2}
    assert stream.inputs[urn("a")] == {"image": UNKNOWN}


SAMPLES = Path(
    os.environ.get("PILOTLIGHT_PULUMI_SAMPLES", Path(__file__).parents[3] / "shared/data/pulumi-samples")
)


@pytest.mark.skipif(
    not (SAMPLES / "stream.jsonl").exists(), reason="recorded streams of the engine are not here"
)
def test_a_recorded_stream_of_the_engine_is_understood() -> None:
    stream = read((SAMPLES / "stream.jsonl").read_text().splitlines())
    assert (stream.broken, stream.unknown, stream.ended, stream.succeeded) == (0, {}, True, False)
    assert [(change.op, change.name) for change in stream.changes] == [("replace", "p1"), ("replace", "p2")]
    assert [(one.policy, one.level) for one in stream.violations] == [
        ("max-workers", "error"),
        ("no-l4", "warning"),
    ]
    assert json.loads(json.dumps(stream.counts)) == {"replace": 2, "same": 1}
