"""`image-digest`: an endpoint runs an image that cannot change under its name."""

import re

from infra.spec.findings import UNKNOWN, Finding, Severity
from policies.rules.rule import RUNPOD_ENDPOINT, RUNPOD_POD, Level, Rule, RuleSettings
from policies.rules.subject import Subject

_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")


class Settings(RuleSettings):
    severity: Level = Level.WARNING


def check(subject: Subject, settings: Settings) -> list[Finding]:
    image = subject.inputs.get("image")
    if image is UNKNOWN:
        return [
            Finding(RULE.id, "image", "the image is known, and judged, at `up`", severity=Severity.DEFERRED)
        ]
    if not isinstance(image, str) or _PINNED.search(image):
        return []
    message = f"image {image!r} is not pinned by digest: what runs can change without a review"
    fix = "use ModelImage's ref, or append @sha256:… to the reference"
    return [Finding(RULE.id, "image", message, fix)]


RULE = Rule(
    id="image-digest",
    description="An endpoint's image is pinned by digest.",
    types=frozenset({RUNPOD_ENDPOINT, RUNPOD_POD}),
    settings=Settings,
    check=check,
)
