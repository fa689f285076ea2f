"""A report's findings in the forms of test runners and code scanners."""

from infra.report.model import Report
from infra.spec.errors import PilotlightError


class NoSuchForm(PilotlightError):
    """The form is not built in."""


def render(report: Report, form: str) -> str:
    raise NoSuchForm(f"reports as {form} are not built in", wanted="markdown, html, json or text")
