"""`stack-workers`: all endpoints of a stack together do not ask for more workers than the account may have."""

from collections.abc import Iterable, Sequence

import pydantic

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, workers
from policies.rules.rule import MODAL_APP, RUNPOD_ENDPOINT, Level, RuleSettings, StackRule
from policies.rules.subject import Subject


class Settings(RuleSettings):
    severity: Level = Level.WARNING
    runpod: int | None = pydantic.Field(default=None, ge=1)
    """Workers of the RunPod account; unset = the account's default."""
    modal: int | None = pydantic.Field(default=None, ge=1)
    """Containers of the Modal workspace; unset = not judged, as it depends on the plan."""


def check(subjects: Sequence[Subject], settings: Settings) -> list[Finding]:
    on_runpod = [subject for subject in subjects if subject.type == RUNPOD_ENDPOINT]
    on_modal = [subject for subject in subjects if subject.type == MODAL_APP]
    quota = settings.runpod
    if quota is None and on_runpod:
        default = on_runpod[0].context.catalog.limit("runpod", "account_workers_max").default
        quota = None if default is None else int(default)
    return [
        *_over(on_runpod, quota, "RunPod account"),
        *_over(on_modal, settings.modal, "Modal workspace"),
    ]


def _over(subjects: Iterable[Subject], quota: int | None, whose: str) -> list[Finding]:
    """An endpoint that is over by itself is `worker-quota`'s to tell."""
    if quota is None:
        return []
    most: dict[str, int] = {}
    findings = []
    for subject in subjects:
        try:
            most[subject.view.urn] = sum(bound or 0 for _, _, bound in workers(subject))
        except NotKnownYet:
            findings.append(at_up(RULE.id, "", f"{subject.view.name}: the number of workers"))
    total = sum(most.values())
    if total > quota and len(most) > 1:
        message = (
            f"{len(most)} endpoints ask for up to {total} workers together, and the {whose} may have {quota}"
        )
        fix = "lower workers.max of some, or state the account's quota in policies/settings.yaml"
        findings.insert(0, Finding(RULE.id, "", message, fix, data={"workers": total, "limit": quota}))
    return findings


RULE = StackRule(
    id="stack-workers",
    description="A stack asks for no more workers than the account may have.",
    settings=Settings,
    check=check,
)
