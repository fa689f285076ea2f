"""`regions`: work stays where it may be done."""

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, known, parts
from policies.rules.rule import COMPUTE, MODAL_APP, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    runpod: list[str] | None = None
    """Data centers that may be used, such as EU-RO-1, or their beginnings, such as EU-; none = all."""
    modal: list[str] | None = None
    """Regions of Modal, such as eu or eu-west; none = all."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    modal = subject.type == MODAL_APP
    allowed = settings.modal if modal else settings.runpod
    if allowed is None:
        return []
    prop = "regions" if modal else "dataCenterIds"
    findings = []
    try:
        for part in parts(subject):
            chosen = [str(known(one)) for one in known(part.inputs.get(prop)) or ()]
            if not chosen:
                said = f"may run anywhere, and only {', '.join(allowed)} is allowed"
                findings.append(Finding(RULE.id, f"{part.path}{prop}", said, "set regions"))
            for index, region in enumerate(chosen):
                if not any(region.lower().startswith(one.lower()) for one in allowed):
                    said = f"{region} is not among {', '.join(allowed)}"
                    findings.append(
                        Finding(RULE.id, f"{part.path}{prop}[{index}]", said, "choose another region")
                    )
    except NotKnownYet:
        return [at_up(RULE.id, prop, "where it runs")]
    return findings


RULE = Rule(
    id="regions",
    description="Work is done only in allowed regions.",
    types=COMPUTE,
    settings=Settings,
    check=check,
)
