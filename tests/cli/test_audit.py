"""What the audit says of states and listings that do not agree."""

import json
from typing import Any

import pytest

from infra.cli.audit import as_data, as_text, exit_code
from infra.cli.audit_judge import Finding, Kind, judge
from infra.cli.audit_live import Live, usd_per_day
from infra.cli.audit_stack import Held, parse

OURS, THEIRS = "aaaaaaaa", "zzzzzzzz"
IMAGE = "r/x@sha256:" + "0" * 64
BOTH = frozenset({"runpod", "modal"})


def mark(instance: str) -> str:
    return f"pl-{instance}-bbbbbbbbbb-cccccccc"


def entry(type_: str, name: str, id: str, **more: Any) -> dict[str, Any]:
    return {
        "urn": f"urn:pulumi:dev::shop::{type_}::{name}",
        "type": type_,
        "id": id,
        "provider": "urn:pulumi:dev::shop::pulumi:providers:pilotlight-runpod::default::p1",
        "created": "2026-11-24T10:00:00Z",
        **more,
    }


def endpoint(id: str = "e1", name: str = "search", **inputs: Any) -> dict[str, Any]:
    given = {"image": IMAGE, "workers": {"min": 0, "max": 3}, "env": {}, **inputs}
    return entry("pilotlight-runpod:index:Endpoint", name, id, inputs=given)


def state(*entries: dict[str, Any], stack: str = "dev", instance: str = OURS) -> Held:
    provider = entry("pulumi:providers:pilotlight-runpod", "default", "p1", inputs={"__instance": instance})
    return parse(stack, {"deployment": {"resources": [provider, *entries]}})


def live(id: str = "e1", *, marked: str = mark(OURS), crew: Any = (), **raw: Any) -> Live:
    body = {
        "image": IMAGE,
        "workers": {"min": 0, "max": 3},
        "gpu": {
            "pools": ["AMPERE_24"],
            "count": 1,
            "excludedTypes": ["NVIDIA GeForce RTX 3090", "NVIDIA RTX A5000"],
        },
        "env": {"PILOTLIGHT_MARK": marked},
        **raw,
    }
    workers = {"workers": list(crew), "endpointVersion": 4}
    return Live("runpod", "endpoint", id, f"{id}-name", marked, facts={"raw": body, "workers": workers})


def found(lives: list[Live], held: Held, *others: Held, asked: frozenset[str] = BOTH) -> list[Finding]:
    return judge(lives, held, others, asked)


def kinds(findings: list[Finding]) -> list[str]:
    return [one.kind.value for one in findings]


def test_nothing_is_found_where_live_is_declared() -> None:
    assert found([live()], state(endpoint())) == []
    assert "is what is declared" in as_text("dev", [])


@pytest.mark.parametrize(
    ("marked", "kind", "word"),
    [
        (mark(OURS), "orphan", "stack 'dev' made it"),
        (mark(THEIRS), "stray", "not in this backend"),
        ("", "unknown", "carries no mark"),
        ("pl-nonsense", "unknown", "carries no mark"),
    ],
)
def test_an_object_in_no_state_is_told_by_its_mark(marked: str, kind: str, word: str) -> None:
    [one] = found([live(), live("e2", marked=marked)], state(endpoint()))
    assert (one.kind.value, one.id) == (kind, "e2")
    assert word in one.text


def test_what_another_stack_of_the_project_holds_is_no_finding() -> None:
    prod = state(endpoint("e2"), stack="prod", instance=THEIRS)
    assert found([live(), live("e2", marked=mark(THEIRS))], state(endpoint()), prod) == []
    [orphan] = found([live(), live("e2"), live("e3", marked=mark(THEIRS))], state(endpoint()), prod)
    assert orphan.kind is Kind.ORPHAN
    assert "'prod'" in orphan.text


def test_what_waits_to_be_deleted_is_still_held() -> None:
    assert found([live(), live("old")], state(endpoint(), {**endpoint("old"), "delete": True})) == []


def test_free_things_without_a_mark_are_nobodys_business() -> None:
    lives = [live(), Live("runpod", "template", "t1", "mine"), Live("modal", "secret", "st-1", "mine")]
    assert found(lives, state(endpoint())) == []
    assert kinds(found([live(), Live("modal", "volume", "vo-1", "data")], state(endpoint()))) == ["unknown"]


def test_an_object_that_is_gone_is_said_only_of_clouds_that_answered() -> None:
    assert kinds(found([], state(endpoint()))) == ["gone"]
    assert found([], state(endpoint()), asked=frozenset({"modal"})) == []


def test_idle_workers_that_are_kept_on_cost_by_the_day() -> None:
    idle = {"status": "IDLE", "isStale": False}
    kept = live(crew=[idle, idle], workers={"min": 1, "max": 3})
    [one] = found([kept], state(endpoint(workers={"min": 1, "max": 3})))
    assert one.kind is Kind.IDLE
    assert one.usd_per_day is not None
    assert 10 < one.usd_per_day < 25  # an L4 all day
    assert "1 worker kept on" in one.text
    busy = live(crew=[idle, {"status": "RUNNING"}], workers={"min": 1, "max": 3})
    assert found([busy], state(endpoint(workers={"min": 1, "max": 3}))) == []
    after = live(crew=[idle])  # in its idle timeout, and away by itself
    assert found([after], state(endpoint())) == []


def test_versions_and_weights_behind_are_told() -> None:
    held = state(endpoint(env={"PILOTLIGHT_WEIGHTS": "s3://b/w/manifests/2.json"}))
    lives = [live(image="r/x@sha256:" + "1" * 64, crew=[{"status": "IDLE", "isStale": True}])]
    assert kinds(found(lives, held)) == ["behind", "behind", "stale-weights"]


def test_weights_staged_since_are_told_from_the_state_alone() -> None:
    uri = "s3://b/w/manifests/{}.json"
    weights = entry("pilotlight-artifacts:index:Weights", "w", "b/2", outputs={"uri": uri.format(2)})
    env = {"PILOTLIGHT_WEIGHTS": uri.format(1)}
    [one] = found([live(env=env)], state(endpoint(env=env), weights))
    assert one.kind is Kind.STALE_WEIGHTS
    assert uri.format(2) in one.text
    env = {"PILOTLIGHT_WEIGHTS": uri.format(2)}
    assert found([live(env=env)], state(endpoint(env=env), weights)) == []


def test_runpods_own_scale_down_is_called_what_it_is() -> None:
    [one] = found([live(workers={"min": 0, "max": 0})], state(endpoint()))
    assert one.kind is Kind.LOWERED
    assert found([live(workers={"min": 0, "max": 1})], state(endpoint())) == []


def test_an_app_on_modal_behind_its_module() -> None:
    app = entry("pilotlight-modal:index:App", "chat", "ap-1", inputs={"module": "pl_new"})
    runs = Live("modal", "app", "ap-1", "chat", mark(OURS), facts={"module": "pl_old"})
    assert kinds(found([runs], state(app))) == ["behind"]


def test_a_volume_that_nothing_mounts_is_idle() -> None:
    volume = entry("pilotlight-runpod:index:NetworkVolume", "data", "v1", inputs={})
    there = Live("runpod", "network volume", "v1", "data", mark(OURS), facts={"raw": {"size": 100}})
    [one] = found([there], state(volume))
    assert one.usd_per_day is not None
    assert 0.1 < one.usd_per_day < 1
    assert found([there, live(networkVolumes=["v1"])], state(volume, endpoint())) == []


def test_a_price_that_is_not_known_is_none_and_never_nothing() -> None:
    assert usd_per_day(live(gpu={"pools": ["FUTURE_999"], "count": 1}, workers={"min": 1, "max": 1})) is None
    assert usd_per_day(live(workers={})) is None


def test_json_has_a_version_and_the_sum() -> None:
    findings = found([live(workers={"min": 2, "max": 3}, marked="", env={})], state())
    data = json.loads(json.dumps(as_data("dev", findings, {"modal": "no token"})))
    assert data["version"] == 1
    assert data["leftOut"] == {"modal": "no token"}
    assert float(data["usdPerDay"]) > 20
    assert "/day" in as_text("dev", findings)


def test_half_an_answer_is_not_a_clean_one() -> None:
    some = found([], state(endpoint()))
    assert (exit_code([], {}), exit_code([], {"modal": "no token"})) == (0, 1)
    assert (exit_code(some, {}), exit_code(some, {"modal": "no token"})) == (3, 3)
