"""Each rule against resources that pass and resources that fail."""

from datetime import date
from typing import Any

import pytest

from infra.spec.findings import UNKNOWN, Finding, ResourceView, Severity
from policies.gate import make_gate
from policies.judge import judge
from policies.rules import RULES, STACK_RULES, Context
from policies.settings import Settings

TOKEN = "pilotlight-runpod:index:Endpoint"
DIGEST = "sha256:" + "a" * 64
L4 = {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090"], "count": 1}


def view(type: str = TOKEN, stack: str = "dev", **inputs: Any) -> ResourceView:
    urn = f"urn:pulumi:{stack}::pilotlight::{type}::search"
    return ResourceView(type=type, urn=urn, name="search", stack=stack, project="pilotlight", inputs=inputs)


def findings(rule_id: str, resource: ResourceView, **settings: Any) -> list[Finding]:
    every = {id: rule.settings() for id, rule in (RULES | STACK_RULES).items()}
    every[rule_id] = RULES[rule_id].settings(**settings)
    found = judge(resource, Settings(every), Context(date(2026, 11, 24)))
    return [finding for finding in found if finding.rule == rule_id]


@pytest.mark.parametrize("image", [f"r/x@{DIGEST}", f"r/x:1@{DIGEST}", None])
def test_a_pinned_image_passes(image: str | None) -> None:
    assert findings("image-digest", view(image=image)) == []


@pytest.mark.parametrize("image", ["r/x:latest", "r/x", f"r/x@{DIGEST[:-1]}"])
def test_an_unpinned_image_is_found(image: str) -> None:
    [finding] = findings("image-digest", view(image=image), severity="error")
    assert (finding.path, finding.severity) == ("image", Severity.ERROR)
    assert image in finding.message


def test_an_unknown_image_is_deferred() -> None:
    [finding] = findings("image-digest", view(image=UNKNOWN), severity="error")
    assert finding.severity is Severity.DEFERRED


def test_a_rule_leaves_other_types_alone() -> None:
    assert findings("image-digest", view(type="other:index:Thing", image="r/x:latest")) == []


@pytest.mark.parametrize(("most", "limit", "passes"), [(3, 1497.96, True), (3, 1497.95, False), (0, 1, True)])
def test_the_ceiling_counts_every_worker_all_month(most: int, limit: float, passes: bool) -> None:
    found = findings("endpoint-ceiling", view(gpu=L4, workers={"max": most}), max_usd_per_month=str(limit))
    assert (found == []) is passes


def test_the_ceiling_names_number_limit_and_fix() -> None:
    [finding] = findings("endpoint-ceiling", view(gpu=L4, workers={"max": 3.0}), max_usd_per_month="1000")
    assert finding.path == "workers.max"
    assert "$1,497.96" in finding.message
    assert "$1,000" in finding.message
    assert finding.fix == "lower workers.max to 2"


def test_the_ceiling_takes_the_dearest_card_and_all_gpus_of_a_worker() -> None:
    two = {"pools": ["AMPERE_24", "ADA_80_PRO"], "count": 2}
    [finding] = findings("endpoint-ceiling", view(gpu=two, workers={"max": 1}), max_usd_per_month="1")
    assert "$6,096.96" in finding.message  # 4.176 x 2 x 730


def test_workers_left_out_count_as_the_cloud_s_default() -> None:
    [finding] = findings("endpoint-ceiling", view(gpu=L4), max_usd_per_month="9")
    assert finding.message.startswith("3 workers")


def app(**classes: Any) -> ResourceView:
    return view(type="pilotlight-modal:index:App", classes=classes)


def test_an_app_on_modal_is_held_to_the_same_ceiling() -> None:
    # (0.7992 + 0.125 x 0.04716 + 0.125 x 0.007992) x 730 x 2 and (3.9492 + 0.006894) x 730 x 2
    found = app(
        Small={"gpu": ["L4"], "maxContainers": 2}, Large={"gpu": ["T4", "H100"], "maxContainers": 2.0}
    )
    [finding] = findings("endpoint-ceiling", found, max_usd_per_month="5000")
    assert finding.path == "classes.Large.maxContainers"
    assert "4 workers all month cost $6,952.80" in finding.message
    assert finding.fix == "lower classes.Large.maxContainers to 1"
    assert findings("endpoint-ceiling", found, max_usd_per_month="6952.80") == []


def test_an_app_without_a_bound_fails_closed() -> None:
    [finding] = findings("endpoint-ceiling", app(Model={"gpu": ["L4"]}), max_usd_per_month="5000")
    assert finding.severity is Severity.ERROR
    assert "classes.Model.maxContainers" in finding.message


def test_several_gpus_of_a_container_all_count() -> None:
    one = app(Model={"gpu": ["L4"], "maxContainers": 1})
    two = app(Model={"gpu": ["L4:2"], "maxContainers": 1})
    assert findings("endpoint-ceiling", one, max_usd_per_month="600") == []
    assert findings("endpoint-ceiling", two, max_usd_per_month="600") != []


def test_an_unknown_pool_fails_closed() -> None:
    gpu = {"pools": ["NOVEL_999"]}
    [finding] = findings("endpoint-ceiling", view(gpu=gpu, workers={"max": 1}), max_usd_per_month="9")
    assert finding.severity is Severity.ERROR


def test_unknown_workers_are_deferred() -> None:
    [finding] = findings("endpoint-ceiling", view(gpu=L4, workers=UNKNOWN), max_usd_per_month="9")
    assert finding.severity is Severity.DEFERRED


def test_the_gate_takes_the_stack_s_settings(tmp_path: Any) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/settings.yaml").write_text("stacks: {prod: {image-digest: {severity: error}}}")
    gate = make_gate(lambda: tmp_path)
    [dev] = [found for found in gate(view(image="r/x")) if found.rule == "image-digest"]
    [prod] = [found for found in gate(view(stack="prod", image="r/x")) if found.rule == "image-digest"]
    assert (dev.severity, prod.severity) == (Severity.WARNING, Severity.ERROR)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image-digst: {}", "image-digst"),
        ("image-digest: {severty: error}", "severity"),
        ("image-digest: {severity: fatal}", "fatal"),
        ("image-digest: 3", "3"),
        ("[]", "list"),
        ("a: [", "cannot be read"),
        ("endpoint-ceiling: {max_usd_per_month: -1}", "greater than 0"),
    ],
)
def test_wrong_settings_refuse_everything_and_say_why(tmp_path: Any, text: str, said: str) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/settings.yaml").write_text(text)
    [finding] = make_gate(lambda: tmp_path)(view(image=f"r/x@{DIGEST}"))
    assert finding.severity is Severity.ERROR
    assert said in finding.message


def test_without_a_project_the_defaults_hold() -> None:
    [finding] = make_gate(lambda: None)(view(image="r/x", intent={"endpoint": "search"}))
    assert finding.severity is Severity.WARNING
