"""`volume-place`: where a network volume binds workers to, the GPU class that they need is to be had.

Which data center has which card changes by the hour and is known live only (`GET /v2/catalog/gpus`), so a team states in
the settings what it has seen; CPU serverless is a matter of record.
"""

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, gpu_classes, known
from policies.rules.rule import RUNPOD_ENDPOINT, RUNPOD_POD, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    gpus: dict[str, list[str]] = {}
    """Data center -> GPU classes that it has; a data center that is not listed is not judged."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    try:
        centers = _centers(subject)
        if not centers:
            return []
        classes = {name for _, name in gpu_classes(subject)}
        cpu = bool(known(subject.inputs.get("cpu")))
    except NotKnownYet:
        return [at_up(RULE.id, "dataCenterIds", "where the volume is")]
    findings = []
    for center in centers:
        record = subject.context.catalog.data_centers.get(center)
        if cpu and subject.type == RUNPOD_ENDPOINT and record is not None and not record.cpu:
            message = f"its volume is in {center}, which has no CPU serverless"
            fix = "move the volume to a data center that has it (EU-RO-1), or use a GPU class"
            findings.append(Finding(RULE.id, "dataCenterIds", message, fix))
        offered = settings.gpus.get(center)
        if offered is not None and classes and not classes & set(offered):
            wanted = ", ".join(sorted(classes))
            message = (
                f"its volume is in {center}, which has no {wanted} (it has {', '.join(offered) or 'no GPU'})"
            )
            fix = "choose a class that the data center has, or a volume elsewhere"
            findings.append(Finding(RULE.id, "dataCenterIds", message, fix, data={"data_center": center}))
    return findings


def _centers(subject: Subject) -> list[str]:
    """Only those that a volume binds it to."""
    if subject.type == RUNPOD_POD:
        center = known(subject.inputs.get("networkVolumeDataCenter"))
        return [center] if center else []
    if not known(subject.inputs.get("networkVolumes")):
        return []
    bound = known(subject.inputs.get("networkVolumeDataCenters")) or known(
        subject.inputs.get("dataCenterIds")
    )
    return [str(known(center)) for center in bound or ()]


RULE = Rule(
    id="volume-place",
    description="A volume's data center has what its workers need.",
    types=frozenset({RUNPOD_ENDPOINT, RUNPOD_POD}),
    settings=Settings,
    check=check,
)
