"""`gpu-allow-list`: workers and machines get only the GPU classes that the team allows."""

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, classes_of, gpu_classes
from policies.rules.rule import COMPUTE, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    classes: list[str] | None = None
    """Canonical classes of the catalog; none = all."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if settings.classes is None:
        return []
    allowed = {one for name in settings.classes for one in classes_of(subject.context.catalog, name)}
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


RULE = Rule(
    id="gpu-allow-list",
    description="Only allowed GPU classes are used.",
    types=COMPUTE,
    settings=Settings,
    check=check,
)
