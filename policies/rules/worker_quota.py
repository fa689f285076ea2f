"""`worker-quota`: an endpoint does not ask for more workers than the account may have."""

import pydantic

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, workers
from policies.rules.rule import ENDPOINTS, MODAL_APP, Level, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    severity: Level = Level.WARNING
    runpod: int | None = pydantic.Field(default=None, ge=1)
    """Workers of the RunPod account; unset = the account's default."""
    modal: int | None = pydantic.Field(default=None, ge=1)
    """Containers of the Modal workspace; unset = not judged, as it depends on the plan."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if subject.type == MODAL_APP:
        cloud, quota = "Modal workspace", settings.modal
    else:
        default = subject.context.catalog.limit("runpod", "account_workers_max").default
        cloud, quota = "RunPod account", settings.runpod or (None if default is None else int(default))
    if quota is None:
        return []
    try:
        found = list(workers(subject))
    except NotKnownYet:
        return [at_up(RULE.id, "workers", "the number of workers")]
    return [
        Finding(
            RULE.id,
            path,
            f"asks for up to {most} workers, and the {cloud} may have {quota}",
            f"lower {path} to {quota}, or state the account's quota in policies/settings.yaml",
            data={"workers": most, "limit": quota},
        )
        for path, _, most in found
        if most is not None and most > quota
    ]


RULE = Rule(
    id="worker-quota",
    description="No endpoint asks for more workers than the account may have.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
