"""The gate that a provider's Check asks: every rule that concerns a resource, with the stack's settings."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from infra.spec.findings import Finding, Gate, ResourceView
from policies import settings
from policies.judge import judge
from policies.rules import Context


def today() -> date:
    return datetime.now(tz=UTC).date()


def make_gate(find_root: Callable[[], Path | None], clock: Callable[[], date] = today) -> Gate:
    """A gate that reads the settings once per stack, when the first resource asks. Wrong settings refuse all."""
    known: dict[str, tuple[settings.Settings, Context]] = {}

    def gate(resource: ResourceView) -> list[Finding]:
        if resource.stack not in known:
            root = find_root()
            try:
                known[resource.stack] = (settings.load(root, resource.stack), Context(clock(), root))
            except settings.SettingsError as error:
                return [Finding("settings", "", error.what, error.fix)]
        return judge(resource, *known[resource.stack])

    return gate
