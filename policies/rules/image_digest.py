"""`image-digest`: an endpoint runs an image that cannot change under its name."""

import re

from infra.spec.findings import UNKNOWN, Finding, ResourceView, Severity
from policies.rules.hourly import RUNPOD_ENDPOINT
from policies.rules.rule import Rule, RuleSettings

_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")


class Settings(RuleSettings):
    severity: Severity = Severity.WARNING
    """`error` refuses an image that is not pinned; `warning` reports it."""


def check(resource: ResourceView, settings: Settings) -> list[Finding]:
    image = resource.inputs.get("image")
    if image is UNKNOWN:
        return [
            Finding(RULE.id, "image", "the image is known, and judged, at `up`", severity=Severity.DEFERRED)
        ]
    if not isinstance(image, str) or _PINNED.search(image):
        return []
    message = f"image {image!r} is not pinned by digest: what runs can change without a review"
    fix = "use ModelImage's ref, or append @sha256:… to the reference"
    return [Finding(RULE.id, "image", message, fix, settings.severity)]


RULE = Rule(
    id="image-digest",
    description="An endpoint's image is pinned by digest.",
    types=frozenset({RUNPOD_ENDPOINT}),
    settings=Settings,
    check=check,
)
