"""`price-book-age`: costs are judged by prices that somebody has looked at lately."""

from collections.abc import Sequence

import pydantic

from infra.spec.findings import Finding, Severity
from policies.rules.rule import COMPUTE, RuleSettings, StackRule
from policies.rules.subject import Subject


class Settings(RuleSettings):
    warn_days: int = pydantic.Field(default=30, ge=0)
    """From this age on it is reported."""
    max_days: int = pydantic.Field(default=90, ge=0)
    """From this age on nothing passes."""


def check(subjects: Sequence[Subject], settings: Settings) -> list[Finding]:
    judged = [subject for subject in subjects if subject.type in COMPUTE]
    if not judged:
        return []
    book = judged[0].context.book
    age = book.age_days(judged[0].context.today)
    if age < settings.warn_days:
        return []
    severity = Severity.ERROR if age >= settings.max_days else Severity.WARNING
    message = f"price book {book.name} is {age} days old, over {settings.max_days if severity is Severity.ERROR else settings.warn_days}"
    fix = "compare it with `pilotlight catalog check`, and correct the prices and their dates"
    return [Finding(RULE.id, "", message, fix, severity, {"age_days": age})]


RULE = StackRule(
    id="price-book-age",
    description="Prices are not older than a team trusts them.",
    settings=Settings,
    check=check,
)
