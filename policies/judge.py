"""All rules on a resource or on a stack, at the level that the settings give each, exceptions taken into account. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from infra.spec.errors import PilotlightError
from infra.spec.findings import Finding, ResourceView, Severity
from policies.rules import RULES, STACK_RULES, Context, Level, NoPlan, Rule, RuleSettings, Subject
from policies.rules.plannable import no_plan
from policies.rules.reading import NotKnownYet, at_up
from policies.settings import Exempt, Settings

EXPIRED = "exception-expired"


def judge(view: ResourceView, settings: Settings, context: Context) -> list[Finding]:
    """All findings of all rules on one resource. That no plan can be made is found once."""
    return on_subject(Subject(view, context), settings, context)


def on_subject(subject: Subject, settings: Settings, context: Context) -> list[Finding]:
    """As `judge`, of a subject that keeps its plan. A rule that breaks has proved nothing: that is an error, too."""
    found: list[Finding] = []
    unplanned = False
    for rule in applying(subject, settings):
        own = settings.rules[rule.id]
        try:
            found += _leveled(rule.check(subject, own), own)
        except NoPlan as error:
            if not unplanned:
                found.append(no_plan(error))
            unplanned = True
        except NotKnownYet:
            found.append(at_up(rule.id, "", "what the plan is made of"))
        except Exception as error:
            found.append(_broken(rule.id, error))
    return _masked(_excepted(found, settings.exceptions, subject.view, context.today), [subject.view])


def applying(subject: Subject, settings: Settings) -> list[Rule]:
    """The rules that the resource is judged by."""
    return [
        rule
        for rule in RULES.values()
        if subject.type in rule.types and settings.rules[rule.id].severity is not Level.OFF
    ]


def on_stack(subjects: Sequence[Subject], settings: Settings, context: Context) -> list[Finding]:
    """All findings of the rules about a stack as a whole."""
    found: list[Finding] = []
    for rule in STACK_RULES.values():
        own = settings.rules[rule.id]
        if own.severity is Level.OFF:
            continue
        try:
            found += _leveled(rule.check(subjects, own), own)
        except NoPlan as error:
            found.append(no_plan(error))
        except NotKnownYet:
            found.append(at_up(rule.id, "", "what the plans are made of"))
        except Exception as error:
            found.append(_broken(rule.id, error))
    views = [subject.view for subject in subjects]
    return _masked(_excepted(found, settings.exceptions, None, context.today), views)


def _masked(findings: Iterable[Finding], views: Sequence[ResourceView]) -> list[Finding]:
    """No finding tells what is secret, whatever its rule quotes."""
    found = list(findings)
    places = [(view.inputs, place) for view in views for place in view.secrets or ()]
    if not found or not places:
        return found
    from infra.kit.faults import redact
    from infra.kit.wire import Secret, secret_texts

    texts = {text for inputs, place in places for text in secret_texts(Secret(_at(inputs, place)))}
    return [
        replace(
            one,
            message=redact(one.message, texts),
            fix=redact(one.fix, texts),
            data={
                key: redact(value, texts) if isinstance(value, str) else value
                for key, value in one.data.items()
            },
        )
        for one in found
    ]


def _at(tree: Any, place: tuple[str | int, ...]) -> Any:
    for step in place:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _broken(rule: str, error: Exception) -> Finding:
    """What Python says of an error may hold a value, and a value may be secret: only its type is told."""
    if isinstance(error, PilotlightError):
        return Finding(rule, "", f"cannot be judged: {error.what}", error.fix or error.wanted)
    return Finding(
        rule, "", f"cannot be judged ({type(error).__name__}): an input is not of the form it must have"
    )


def _leveled(findings: Iterable[Finding], settings: RuleSettings) -> Iterator[Finding]:
    for finding in findings:
        lowered = finding.severity is Severity.ERROR and settings.severity is Level.WARNING
        yield replace(finding, severity=Severity.WARNING) if lowered else finding


def _excepted(
    findings: Iterable[Finding], exceptions: Sequence[Exempt], view: ResourceView | None, today: date
) -> Iterator[Finding]:
    for finding in findings:
        if finding.severity is not Severity.ERROR:
            yield finding
            continue
        covering = [one for one in exceptions if one.covers(finding.rule, view)]
        exempt = max(covering, key=lambda one: one.expires, default=None)
        if exempt is None:
            yield finding
        elif exempt.expires < today:
            yield finding
            message = f"the exception from {finding.rule} ended on {exempt.expires}: {exempt.reason}"
            fix = f"mend the resource, or have {exempt.owner} renew it in policies/settings.yaml"
            yield Finding(EXPIRED, finding.path, message, fix)
        else:
            said = f"{finding.message} (excepted by {exempt.owner} until {exempt.expires}: {exempt.reason})"
            yield replace(finding, message=said, severity=Severity.WARNING)
