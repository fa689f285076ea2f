"""`regions`: work stays where it may be done."""

from collections.abc import Mapping
from typing import Any

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, known, parts
from policies.rules.rule import COMPUTE, MODAL_APP, RUNPOD_VOLUME, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    runpod: list[str] | None = None
    """Data centers that may be used, such as EU-RO-1, or areas, such as EU; none = all."""
    modal: list[str] | None = None
    """Regions of Modal, such as eu or eu-west; none = all."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    modal = subject.type == MODAL_APP
    allowed = settings.modal if modal else settings.runpod
    if allowed is None:
        return []
    prop = "regions" if modal else "dataCenter" if subject.type == RUNPOD_VOLUME else "dataCenterIds"
    findings = []
    try:
        for part in parts(subject):
            chosen = _chosen(part.inputs, prop)
            if not chosen:
                said = f"may run anywhere, and only {', '.join(allowed)} is allowed"
                findings.append(Finding(RULE.id, f"{part.path}{prop}", said, "set regions"))
            for index, region in enumerate(chosen):
                if not any(_within(region, one) for one in allowed):
                    said = f"{region} is not among {', '.join(allowed)}"
                    findings.append(
                        Finding(RULE.id, f"{part.path}{prop}[{index}]", said, "choose another region")
                    )
    except NotKnownYet:
        return [at_up(RULE.id, prop, "where it runs")]
    return findings


def _chosen(inputs: Mapping[str, Any], prop: str) -> list[str]:
    """Where it may run. A machine with a network volume runs where that is."""
    for name in (prop, "networkVolumeDataCenters", "networkVolumeDataCenter"):
        given = known(inputs.get(name))
        if given:
            return [str(known(one)) for one in ([given] if isinstance(given, str) else given)]
    return []


def _within(region: str, area: str) -> bool:
    area = area.lower().removesuffix("-")
    return region.lower() == area or region.lower().startswith(f"{area}-")


RULE = Rule(
    id="regions",
    description="Work is done, and volumes are kept, only in allowed regions.",
    types=COMPUTE | {RUNPOD_VOLUME},
    settings=Settings,
    check=check,
)
