"""`plaintext-secret`: no credential stands in an environment as plain text."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.spec.findings import Finding
from policies.rules.rule import COMPUTE, MODAL_APP, Rule, RuleSettings
from policies.rules.subject import Subject

_NAMES = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|PRIVATE_KEY)$", re.IGNORECASE)
_HARMLESS = re.compile(r"PUBLIC_KEY$|MAX_TOKEN$", re.IGNORECASE)
_REFERENCE = re.compile(r"^\{\{ *RUNPOD_SECRET_\S+ *\}\}$")
_VALUES = re.compile(
    r"^(?:rpa_|rps_|sk-|hf_|ghp_|gho_|github_pat_|glpat-|xox[abp]-|AKIA|ASIA|ak-|as-)[A-Za-z0-9_\-]{12,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)


class Settings(RuleSettings):
    allow: list[str] = []
    """Names of variables that look like credentials and are none."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    secret = subject.view.secrets
    findings = []
    for place, name, value in _variables(subject):
        if secret is not None and any(place[: len(hidden)] == hidden for hidden in secret):
            continue
        by_value = _VALUES.search(value) is not None
        by_name = bool(value) and _NAMES.search(name) is not None and _HARMLESS.search(name) is None
        if not (by_value or by_name) or name in settings.allow or _REFERENCE.match(value):
            continue
        why = "its value has the form of a credential" if by_value else "its name is that of a credential"
        fix = "pass it with ModelSecret, or as pulumi.Output.secret / config.require_secret"
        findings.append(Finding(RULE.id, ".".join(map(str, place)), f"{name} is plain text, and {why}", fix))
    return findings


def _variables(subject: Subject) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """(place, name, value) of each variable that is known; what a preview cannot know came out of a resource."""
    for place, holder in _holders(subject):
        image = holder.get("image")
        inner = image.get("env") if isinstance(image, Mapping) else None
        for at, environment in (((*place, "env"), holder.get("env")), ((*place, "image", "env"), inner)):
            for name, value in environment.items() if isinstance(environment, Mapping) else ():
                if isinstance(value, str):
                    yield (*at, name), str(name), value


def _holders(subject: Subject) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The resource, and the classes and functions of an app: each may have an environment and an image."""
    yield (), subject.inputs
    for kind in ("classes", "functions") if subject.type == MODAL_APP else ():
        services = subject.inputs.get(kind)
        for name, service in services.items() if isinstance(services, Mapping) else ():
            if isinstance(service, Mapping):
                yield (kind, name), service


RULE = Rule(
    id="plaintext-secret",
    description="No credential stands in an environment as plain text.",
    types=COMPUTE,
    settings=Settings,
    check=check,
)
