"""The CrossGuard pack, asked as the engine asks it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import analyzer_pb2

from infra.kit.wire import Secret, encode
from infra.spec.findings import UNKNOWN, ResourceView
from policies.pack import Pack
from policies.rules import RULES, STACK_RULES
from tests.policies.judged import L4, TODAY, endpoint, view

STRICT = "image-digest: {severity: error}\nstack-budget: {max_usd_per_month: 1500}"


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return make(tmp_path, STRICT)


def make(root: Path, text: str) -> Pack:
    (root / "policies").mkdir()
    (root / "policies/settings.yaml").write_text(text)
    return Pack(root, lambda: TODAY)


def asked(kind: Any, resource: ResourceView, **inputs: Any) -> Any:
    struct = encode({**resource.inputs, "__pilotlight": "x", **inputs})
    return kind(type=resource.type, urn=resource.urn, name=resource.name, properties=struct)


def judged(pack: Pack, resource: ResourceView, **inputs: Any) -> list[tuple[str, str, str]]:
    response = asyncio.run(pack.Analyze(asked(analyzer_pb2.AnalyzeRequest, resource, **inputs), None))
    return told(response)


def whole(pack: Pack, *resources: ResourceView) -> list[tuple[str, str, str]]:
    every = [asked(analyzer_pb2.AnalyzerResource, resource) for resource in resources]
    return told(asyncio.run(pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=every), None)))


def told(response: Any) -> list[tuple[str, str, str]]:
    level = analyzer_pb2.EnforcementLevel.Name
    return [(one.policyName, level(one.enforcementLevel), one.message) for one in response.diagnostics]


def configure(pack: Pack, **policies: dict[str, Any]) -> None:
    given = {
        name: analyzer_pb2.PolicyConfig(
            enforcementLevel=one.pop("level", "MANDATORY"), properties=encode(one)
        )
        for name, one in policies.items()
    }
    asyncio.run(pack.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig=given), None))


def test_it_tells_every_rule_by_its_kind(pack: Pack) -> None:
    info = asyncio.run(pack.GetAnalyzerInfo(None, None))
    kinds = {one.name: analyzer_pb2.PolicyType.Name(one.policy_type) for one in info.policies}
    assert {id for id, kind in kinds.items() if kind.endswith("STACK")} == {*STACK_RULES, "proved"}
    assert set(RULES) < set(kinds)
    assert all(one.description for one in info.policies)


def test_what_breaks_a_rule_blocks_with_number_and_fix(pack: Pack) -> None:
    [(rule, level, message)] = judged(pack, endpoint(budget={"usd_per_month": 5}))
    assert (rule, level) == ("endpoint-budget", "MANDATORY")
    assert "$998.64" in message
    assert "Fix:" in message


def test_what_only_warns_is_advice(pack: Pack) -> None:
    assert [(rule, level) for rule, level, _ in judged(pack, view())] == [("plannable", "ADVISORY")]


def test_an_unknown_value_fails_closed(pack: Pack) -> None:
    [(rule, level, message)] = judged(pack, endpoint(), image=UNKNOWN)
    assert (rule, level) == ("image-digest", "MANDATORY")
    assert "at `up`" in message


def test_an_unknown_value_of_a_rule_that_only_warns_is_advice(tmp_path: Path) -> None:
    [(_, level, _)] = judged(make(tmp_path, ""), endpoint(), image=UNKNOWN)
    assert level == "ADVISORY"


def test_unknown_values_may_be_let_pass_on_demand(pack: Pack) -> None:
    configure(pack, proved={"unknowns": "warn"})
    [(_, level, _)] = judged(pack, endpoint(), image=UNKNOWN)
    assert level == "ADVISORY"


@pytest.mark.parametrize(
    ("config", "levels"),
    [
        ({"endpoint-budget": {"level": "ADVISORY"}}, ["ADVISORY"]),
        ({"endpoint-budget": {"level": "DISABLED"}}, []),
        ({"all": {"level": "ADVISORY"}}, ["ADVISORY"]),
        ({"all": {"level": "DISABLED"}, "endpoint-budget": {"level": "REMEDIATE"}}, ["MANDATORY"]),
    ],
)
def test_a_pack_s_own_configuration_sets_levels(
    pack: Pack, config: dict[str, Any], levels: list[str]
) -> None:
    configure(pack, **config)
    assert [level for _, level, _ in judged(pack, endpoint(budget={"usd_per_month": 5}))] == levels


def test_it_counts_what_was_proved(pack: Pack) -> None:
    first, second = endpoint(), endpoint(name="other")
    judged(pack, first)
    judged(pack, second, image=UNKNOWN)
    [_, (rule, level, message)] = whole(pack, first, second)
    assert (rule, level) == ("proved", "ADVISORY")
    assert (
        message == "33 of 34 resource x rule pairs proved; 1 known at `up` only, of which 1 counts as failed"
    )


def test_nothing_is_proved_of_an_empty_stack(pack: Pack) -> None:
    assert whole(pack) == [("proved", "ADVISORY", "0 of 0 resource x rule pairs proved")]


def test_the_stack_s_budget_is_judged_by_inputs_and_not_by_outputs(pack: Pack) -> None:
    both = endpoint(), endpoint(cloud="modal")
    for one in both:
        judged(pack, one)
    stripped = [view(one.type, name=one.name, image="r/x") for one in both]
    [(rule, level, message), _] = whole(pack, *stripped)
    assert (rule, level) == ("stack-budget", "MANDATORY")
    assert "$2,175.54" in message


def test_a_resource_that_was_not_asked_about_counts_by_what_is_given(pack: Pack) -> None:
    [(rule, _, message), _] = whole(pack, view(gpu=L4, workers={"max": 9}))
    assert rule == "stack-budget"
    assert "$4,493.88" in message


def test_settings_that_cannot_be_read_block_everything(tmp_path: Path) -> None:
    pack = make(tmp_path, "image-digst: {}")
    for found in (judged(pack, endpoint()), whole(pack, endpoint())):
        assert [(rule, level) for rule, level, _ in found] == [("settings", "MANDATORY")]


def test_no_message_holds_a_secret(pack: Pack) -> None:
    found = judged(pack, endpoint(), image=Secret("registry.example/canary-5f1e"))
    assert [rule for rule, _, _ in found] == ["image-digest"]
    assert "canary" not in str(found)


def test_a_secret_in_the_environment_is_no_plain_text(pack: Pack) -> None:
    assert judged(pack, endpoint(), env={"HF_TOKEN": Secret("canary-5f1e")}) == []
    [(rule, _, message)] = judged(pack, endpoint(), env={"HF_TOKEN": "canary-5f1e"})
    assert rule == "plaintext-secret"
    assert "canary" not in message
