"""`image-digest`: an endpoint runs an image that cannot change under its name."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from infra.spec.findings import UNKNOWN, Finding
from policies.rules.reading import NotKnownYet, Part, at_up, parts
from policies.rules.rule import COMPUTE, MODAL_APP, Level, Rule, RuleSettings
from policies.rules.subject import Subject

_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")


class Settings(RuleSettings):
    severity: Level = Level.WARNING


def check(subject: Subject, settings: Settings) -> list[Finding]:
    findings = []
    for path, image in _images(subject):
        if image is UNKNOWN:
            findings.append(at_up(RULE.id, path, "the image"))
        elif isinstance(image, str) and not _PINNED.search(image):
            message = f"image {image!r} is not pinned by digest: what runs can change without a review"
            fix = "use ModelImage's ref, or append @sha256:… to the reference"
            findings.append(Finding(RULE.id, path, message, fix))
    return findings


def _images(subject: Subject) -> Iterator[tuple[str, Any]]:
    """(property, reference or `UNKNOWN`); an app on Modal has one of its own only where it is built on another."""
    if subject.type != MODAL_APP:
        yield "image", subject.inputs.get("image")
        return
    holders = [Part("", subject.inputs)]
    with suppress(NotKnownYet):
        holders += parts(subject)
    for holder in holders:
        image = holder.inputs.get("image")
        if isinstance(image, Mapping):
            yield f"{holder.path}image.registry", image.get("registry")


RULE = Rule(
    id="image-digest",
    description="An endpoint's image is pinned by digest.",
    types=COMPUTE,
    settings=Settings,
    check=check,
)
