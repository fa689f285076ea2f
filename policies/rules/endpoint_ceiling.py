"""`endpoint-ceiling`: every worker of an endpoint busy all month may not cost more than a limit."""

from decimal import Decimal

import pydantic

from infra.spec.errors import PilotlightError
from infra.spec.findings import Finding, Severity
from policies.rules.reading import NotKnownYet
from policies.rules.rule import ENDPOINTS, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    max_usd_per_month: Decimal | None = pydantic.Field(default=None, gt=0)
    """The most that all workers may cost in a month of 730 hours; none = no limit."""


def check(subject: Subject, settings: Settings) -> list[Finding]:
    limit = settings.max_usd_per_month
    if limit is None:
        return []
    from policies.rules.hourly import all_workers, month_of  # prices load only where there is a limit

    try:
        workers = all_workers(subject)
        months = [month_of(one) for one in workers]
    except NotKnownYet:
        return [_finding("", "the ceiling is known, and judged, at `up`", severity=Severity.DEFERRED)]
    except PilotlightError as error:
        return [_finding("", f"the ceiling cannot be told: {error.what}", error.fix)]
    ceiling = sum(months, Decimal(0))
    if ceiling <= limit:
        return []
    cost, dearest = max(zip(months, workers, strict=True), key=lambda pair: pair[0])
    affordable = int((limit - (ceiling - cost)) // (cost / dearest.most))
    count = sum(one.most for one in workers)
    return [
        _finding(
            dearest.path,
            f"{count} workers all month cost ${ceiling:,}, over the limit of ${limit:,}",
            f"lower {dearest.path} to {affordable}" if affordable > 0 else "choose a smaller GPU class",
        )
    ]


def _finding(path: str, message: str, fix: str = "", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(RULE.id, path, message, fix, severity)


RULE = Rule(
    id="endpoint-ceiling",
    description="An endpoint with every worker on all month stays under a limit.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
