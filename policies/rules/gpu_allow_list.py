"""`gpu-allow-list`: workers and machines get only the GPU classes that the team allows."""

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, gpu_classes
from policies.rules.rule import COMPUTE, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    classes: list[str] | None = None
    """Canonical classes of the catalog; none = all."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if settings.classes is None:
        return []
    allowed = {_canonical(subject, name) for name in settings.classes}
    try:
        found = [(path, name) for path, name in gpu_classes(subject) if name not in allowed]
    except NotKnownYet:
        return [at_up(RULE.id, "", "the GPU class")]
    listed = ", ".join(settings.classes) or "none"
    return [
        Finding(
            RULE.id, path, f"{name} is not allowed here", f"choose one of: {listed}", data={"class": name}
        )
        for path, name in found
    ]


def _canonical(subject: Subject, name: str) -> str:
    known = subject.context.catalog.gpus.get(name)
    return known.name if known else subject.context.catalog.gpu(name).name


RULE = Rule(
    id="gpu-allow-list",
    description="Only allowed GPU classes are used.",
    types=COMPUTE,
    settings=Settings,
    check=check,
)
