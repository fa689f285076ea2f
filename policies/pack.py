"""Pulumi's Analyzer service over our rules: every level, exception and unknown acts as in the other gates.

The policy SDK (pulumi-policy) is not used: it turns a policy that meets an unknown value into advice, which lets the resource
pass, and it decodes a resource again for each policy.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

from infra.kit.wire import Tree, decode, plain, secret_paths
from infra.spec.findings import Finding, ResourceView, Severity
from policies import settings as files
from policies.gate import today
from policies.judge import EXPIRED, applying, on_stack, on_subject
from policies.rules import RULES, STACK_RULES, Context, Level, Subject

NAME, VERSION = "pilotlight", "0.1.0"
SETTINGS, PROVED = "settings", "proved"
_OWN = {
    SETTINGS: "The settings of the rules can be read.",
    EXPIRED: "No exception has ended.",
    PROVED: "How many resource x rule pairs could be judged; what a preview cannot know has failed.",
}
_ADVICE, _BLOCK = analyzer_pb2.ADVISORY, analyzer_pb2.MANDATORY


class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    """One run of the engine. Keeps the inputs that it has judged: rules about the stack need them, and outputs lack some."""

    def __init__(self, root: Path | None, clock: Callable[[], date] = today) -> None:
        self.context = Context(clock(), root)
        self.loaded: dict[str, files.Settings] = {}
        self.levels: dict[str, Any] = {}
        self.unknowns_fail = True
        self.judged: dict[str, Subject] = {}
        self.open: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.pairs: Counter[str] = Counter()

    async def GetAnalyzerInfo(self, request: Any, context: Any) -> Any:
        return analyzer_pb2.AnalyzerInfo(
            name=NAME, version=VERSION, displayName="Pilotlight", supportsConfig=True, policies=_policies()
        )

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    async def Handshake(self, request: Any, context: Any) -> Any:
        return analyzer_pb2.AnalyzerHandshakeResponse()

    async def ConfigureStack(self, request: Any, context: Any) -> Any:
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    async def Configure(self, request: Any, context: Any) -> Any:
        """Levels of `--policy-pack-config`, and `{"proved": {"unknowns": "warn"}}`."""
        self.levels = {name: given.enforcementLevel for name, given in request.policyConfig.items()}
        if PROVED in request.policyConfig:
            given = decode(request.policyConfig[PROVED].properties)
            self.unknowns_fail = given.get("unknowns", "fail") != "warn"
        return empty_pb2.Empty()

    async def Analyze(self, request: Any, context: Any) -> Any:
        tree = _inputs(request.properties)
        subject = Subject(_view(request, tree), self.context)
        self.judged[request.urn] = subject
        try:
            settings = self._settings(subject.view.stack)
        except files.SettingsError as error:
            return self._response([Finding(SETTINGS, "", error.what, error.fix)])
        found = on_subject(subject, settings, self.context)
        self.pairs[request.urn] = len(applying(subject, settings))
        left = {one.rule: self._level(one, settings) for one in found if one.severity is Severity.DEFERRED}
        self.open[request.urn] = len(left)
        self.failed[request.urn] = sum(level == _BLOCK for level in left.values())
        return self._response(found, settings)

    async def AnalyzeStack(self, request: Any, context: Any) -> Any:
        subjects = []
        for resource in request.resources:
            if resource.urn not in self.judged:
                self.judged[resource.urn] = Subject(
                    _view(resource, _inputs(resource.properties)), self.context
                )
            subjects.append(self.judged[resource.urn])
        if not subjects:
            return self._response([self._proved([])])
        try:
            settings = self._settings(subjects[0].view.stack)
        except files.SettingsError as error:
            return self._response([Finding(SETTINGS, "", error.what, error.fix)])
        found = on_stack(subjects, settings, self.context)
        return self._response([*found, self._proved([one.view.urn for one in subjects])], settings)

    async def Remediate(self, request: Any, context: Any) -> Any:
        """None: every fix here is a choice between cost, speed and safety, which is not the pack's to make."""
        return analyzer_pb2.RemediateResponse()

    async def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def _settings(self, stack: str) -> files.Settings:
        if stack not in self.loaded:
            self.loaded[stack] = files.load(self.context.root, stack)
        return self.loaded[stack]

    def _proved(self, urns: list[str]) -> Finding:
        pairs, left = sum(self.pairs[urn] for urn in urns), sum(self.open[urn] for urn in urns)
        said = f"{pairs - left} of {pairs} resource x rule pairs proved"
        if left:
            failed = sum(self.failed[urn] for urn in urns)
            said += (
                f"; {left} known at `up` only, of which {failed} count{'' if failed != 1 else 's'} as failed"
            )
        return Finding(PROVED, "", said, severity=Severity.WARNING)

    def _response(self, found: list[Finding], settings: files.Settings | None = None) -> Any:
        diagnostics = [
            analyzer_pb2.AnalyzeDiagnostic(
                policyName=finding.rule,
                policyPackName=NAME,
                policyPackVersion=VERSION,
                description=_description(finding.rule),
                message=_told(finding),
                enforcementLevel=level,
            )
            for finding in found
            if (level := self._level(finding, settings)) != analyzer_pb2.DISABLED
        ]
        return analyzer_pb2.AnalyzeResponse(diagnostics=diagnostics)

    def _level(self, finding: Finding, settings: files.Settings | None) -> Any:
        """An unknown value fails closed at the level that its rule has."""
        blocks = finding.severity is Severity.ERROR
        if finding.severity is Severity.DEFERRED:
            rule = settings.rules.get(finding.rule) if settings else None
            blocks = self.unknowns_fail and (rule is None or rule.severity is Level.ERROR)
        configured = self.levels.get(finding.rule, self.levels.get("all", _BLOCK))
        if configured in (_ADVICE, analyzer_pb2.DISABLED):
            return configured
        return _BLOCK if blocks else _ADVICE


def _inputs(struct: Any) -> Tree:
    return {key: value for key, value in decode(struct).items() if not key.startswith("__")}


def _view(resource: Any, tree: Tree) -> ResourceView:
    stack, _, rest = resource.urn.removeprefix("urn:pulumi:").partition("::")
    project = rest.partition("::")[0]
    hidden = frozenset(secret_paths(tree))
    return ResourceView(resource.type, resource.urn, resource.name, stack, project, plain(tree), hidden)


def _told(finding: Finding) -> str:
    at = f"{finding.path}: " if finding.path else ""
    fix = f"\nFix: {finding.fix}" if finding.fix else ""
    return f"{at}{finding.message}{fix}"


def _description(rule: str) -> str:
    known = RULES.get(rule) or STACK_RULES.get(rule)
    return known.description if known else _OWN.get(rule, "")


def _policies() -> Iterator[Any]:
    for id in (*RULES, SETTINGS, EXPIRED, *STACK_RULES, PROVED):
        whole = id in STACK_RULES or id == PROVED
        kind = analyzer_pb2.POLICY_TYPE_STACK if whole else analyzer_pb2.POLICY_TYPE_RESOURCE
        level = _ADVICE if id == PROVED else _BLOCK
        yield analyzer_pb2.PolicyInfo(
            name=id, description=_description(id), enforcementLevel=level, policy_type=kind
        )
