"""`endpoint-auth`: nobody runs up a bill on an endpoint that asks for no key."""

from infra.spec.findings import Finding
from policies.rules.reading import NotKnownYet, at_up, known, parts
from policies.rules.rule import MODAL_APP, Level, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    severity: Level = Level.WARNING


def check(subject: Subject, settings: Settings) -> list[Finding]:
    findings = []
    try:
        for part in parts(subject):
            web = known(part.inputs.get("web"))
            if web is not None and not known(web.get("requiresProxyAuth")):
                message = "its web address asks for no key: whoever finds it starts GPUs at your cost"
                fix = 'set auth to "cloud" (requires_proxy_auth), or add an exception with an end'
                findings.append(Finding(RULE.id, f"{part.path}web.requiresProxyAuth", message, fix))
    except NotKnownYet:
        return [at_up(RULE.id, "", "who may call it")]
    return findings


RULE = Rule(
    id="endpoint-auth",
    description="An endpoint's address asks for a key.",
    types=frozenset({MODAL_APP}),
    settings=Settings,
    check=check,
)
