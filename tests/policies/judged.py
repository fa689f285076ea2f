"""What the tests of rules judge with: resources as a provider's Check hands them over, and settings by keyword."""

from datetime import date
from typing import Any

from infra.spec.findings import Finding, ResourceView
from policies.judge import judge, on_stack
from policies.rules import RULES, STACK_RULES, Context, Subject
from policies.settings import Exempt, Settings

RUNPOD = "pilotlight-runpod:index:Endpoint"
POD = "pilotlight-runpod:index:Pod"
VOLUME = "pilotlight-runpod:index:NetworkVolume"
MODAL = "pilotlight-modal:index:App"
WEIGHTS = "pilotlight-artifacts:index:Weights"
DIGEST = "sha256:" + "a" * 64
TODAY = date(2026, 11, 24)
L4 = {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090"], "count": 1}


def view(type: str = RUNPOD, stack: str = "dev", name: str = "search", **inputs: Any) -> ResourceView:
    urn = f"urn:pulumi:{stack}::pilotlight::{type}::{name}"
    return ResourceView(type, urn, name, stack, "pilotlight", inputs)


def app(**services: Any) -> ResourceView:
    return view(MODAL, classes=services)


def endpoint(name: str = "search", cloud: str = "runpod", **intent: Any) -> ResourceView:
    """A small L4 endpoint as `ModelEndpoint` declares it; keywords go over its intent, and the resource follows."""
    declared = {
        "endpoint": name,
        "cloud": cloud,
        "gpu": ["L4"],
        "workers": {"min": 0, "max": 2},
        "idle_timeout_s": 60,
        **intent,
    }
    declared = {key: value for key, value in declared.items() if value is not None}
    workers = declared.get("workers")
    if cloud == "modal":
        service = {
            "gpu": declared.get("gpu"),
            "minContainers": workers["min"],
            "maxContainers": workers["max"],
            "scaledownWindowS": declared["idle_timeout_s"],
        }
        return view(MODAL, name=name, classes={"Model": service}, intent=declared)
    inputs = {"gpu": L4, "workers": {**workers, "idleTimeout": declared["idle_timeout_s"]}}
    return view(name=name, image=f"r/x@{DIGEST}", intent=declared, **inputs)


def settings(exceptions: tuple[Exempt, ...] = (), **rules: dict[str, Any]) -> Settings:
    """Defaults, and over them `rule_id={…}` with _ for -."""
    given = {id.replace("_", "-"): values for id, values in rules.items()}
    return Settings(
        {id: rule.settings(**given.get(id, {})) for id, rule in (RULES | STACK_RULES).items()}, exceptions
    )


def findings(rule_id: str, resource: ResourceView, today: date = TODAY, **values: Any) -> list[Finding]:
    """What one rule says."""
    found = judge(resource, settings(**{rule_id: values}), Context(today))
    return [finding for finding in found if finding.rule == rule_id]


def stack_findings(
    rule_id: str, *resources: ResourceView, today: date = TODAY, **values: Any
) -> list[Finding]:
    context = Context(today)
    subjects = [Subject(resource, context) for resource in resources]
    found = on_stack(subjects, settings(**{rule_id: values}), context)
    return [finding for finding in found if finding.rule == rule_id]
