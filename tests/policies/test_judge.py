"""Levels, exceptions, and what is found where no plan can be made or a rule breaks."""

import time
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from infra.catalog import load
from infra.planning.request import PlanRequest
from infra.spec.findings import UNKNOWN, Finding, ResourceView, Severity
from policies.judge import judge, on_stack
from policies.rules import Context, Subject
from policies.rules.claims import disagreement
from policies.settings import Exempt
from tests.policies.judged import L4, MODAL, TODAY, app, endpoint, settings, stack_findings, view

UNPINNED = {"severity": "error"}


def exempt(expires: str = "2026-12-31", resource: str = "search", rule: str = "image-digest") -> Exempt:
    values = {"owner": "ana@example.com", "reason": "moving", "expires": expires}
    return Exempt.model_validate({"rule": rule, "resource": resource, **values})


def found(resource: ResourceView, *exceptions: Exempt, **rules: Any) -> list[Finding]:
    return judge(resource, settings(exceptions, **rules), Context(TODAY))


@pytest.mark.parametrize(
    ("level", "severities"), [("error", ["error"]), ("warning", ["warning"]), ("off", [])]
)
def test_a_rule_acts_at_its_level(level: str, severities: list[str]) -> None:
    findings = found(view(image="r/x", intent={"job": "x"}), image_digest={"severity": level})
    assert [finding.severity.value for finding in findings] == severities


def test_what_is_left_to_up_stays_so_at_any_level() -> None:
    [finding] = found(view(image=UNKNOWN, intent={"job": "x"}), image_digest={"severity": "warning"})
    assert finding.severity is Severity.DEFERRED


def test_a_plan_that_cannot_be_made_is_one_error_whichever_rules_ask() -> None:
    broken = endpoint(traffic={"requests_per_minute": 1}, budget={"usd_per_month": 1}, slo={"wait_p95_s": 1})
    [finding] = found(broken, plannable={"severity": "off"})
    assert (finding.rule, finding.severity) == ("plannable", Severity.ERROR)
    assert "requests_per_minute" in finding.message


def test_an_unknown_gpu_is_never_free() -> None:
    [finding] = found(endpoint(gpu=["Z99"], budget={"usd_per_month": 1}))
    assert finding.severity is Severity.ERROR
    assert "Z99" in finding.message


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"workers": {"min": 0, "max": 9}}, "up to 2 workers, and the resource has up to 9"),
        ({"workers": {"min": 1, "max": 2}}, "at least 0 workers, and the resource has at least 1"),
        ({"gpu": {"pools": ["AMPERE_24"], "count": 1}}, "takes"),
        ({"gpu": {**L4, "count": 2}}, "1 cards for a worker, and the resource takes 2"),
        ({"workers": {"min": 0, "max": 2, "idleTimeout": 61}}, "idleTimeout is 61 s"),
    ],
)
def test_an_intent_that_is_smaller_than_its_resource_proves_nothing(
    changed: dict[str, Any], said: str
) -> None:
    honest = endpoint(budget={"usd_per_month": 999})
    assert found(honest) == []
    [finding] = found(view(**{**honest.inputs, **changed}), worker_quota={"severity": "off"})
    assert finding.rule == "plannable"
    assert said in finding.message


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gpu": ["L4", "H100"]}, "takes H100"),
        ({"gpu": ["L4:2"]}, "takes 2"),
        ({"maxContainers": 3}, "up to 3"),
        ({"maxContainers": None}, "nothing bounds classes.Model.maxContainers"),
        ({"scaledownWindowS": 90}, "is 90 s"),
    ],
)
def test_an_intent_of_an_app_is_held_to_it_too(changed: dict[str, Any], said: str) -> None:
    honest = endpoint(cloud="modal", budget={"usd_per_month": 1200})
    assert found(honest) == []
    service = {**honest.inputs["classes"]["Model"], **changed}
    [finding] = found(view(MODAL, classes={"Model": service}, intent=honest.inputs["intent"]))
    assert said in finding.message


@pytest.mark.parametrize("cloud", ["runpod", "modal"])
def test_every_class_that_a_component_places_agrees_with_its_intent(cloud: str) -> None:
    catalog = load()
    for gpu in catalog.gpus.values():
        declared = {"endpoint": "x", "cloud": cloud, "gpu": [gpu.name], "workers": {"min": 0, "max": 2}}
        if cloud == "runpod" and gpu.runpod_pool is not None:
            chosen = catalog.runpod_selection([gpu.name])
            cards = {"pools": list(chosen.pools), "excludedTypes": list(chosen.excluded_types)}
            resource = view(gpu=cards, workers={"max": 2}, intent=declared)
        elif cloud == "modal" and gpu.modal_id is not None:
            resource = view(
                MODAL, classes={"M": {"gpu": [gpu.modal_id], "maxContainers": 2}}, intent=declared
            )
        else:
            continue
        assert disagreement(Subject(resource, Context(TODAY)), PlanRequest.from_intent(declared)) is None


def test_a_second_class_counts_with_the_first() -> None:
    honest = endpoint(cloud="modal", budget={"usd_per_month": 1200})
    service = honest.inputs["classes"]["Model"]
    both = view(MODAL, classes={"A": service, "B": service}, intent=honest.inputs["intent"])
    [finding] = found(both)
    assert "up to 4" in finding.message


@pytest.mark.parametrize(
    "inputs",
    [
        {"workers": 3},
        {"gpu": 7, "workers": {}},
        {"gpu": {"pools": ["AMPERE_24"], "count": "many"}},
        {"cpu": [1]},
    ],
)
def test_a_rule_that_breaks_is_an_error_and_tells_no_value(inputs: dict[str, Any]) -> None:
    errors = [
        finding
        for finding in found(view(**inputs), endpoint_ceiling={"max_usd_per_month": 5})
        if finding.rule == "endpoint-ceiling"
    ]
    assert [finding.severity for finding in errors] == [Severity.ERROR]
    assert "many" not in errors[0].message


def test_an_exception_makes_a_warning_that_names_owner_and_end() -> None:
    [finding] = found(view(image="r/x", intent={"job": "x"}), exempt(), image_digest=UNPINNED)
    assert finding.severity is Severity.WARNING
    assert "excepted by ana@example.com until 2026-12-31: moving" in finding.message


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("search", True),
        ("sea*", True),
        ("*", True),
        ("urn:pulumi:dev::*::search", True),
        ("sea", False),
        ("search?", False),
        ("[s]earch", False),
        ("urn:pulumi:prod::*", False),
    ],
)
def test_which_resources_an_exception_is_for(pattern: str, covered: bool) -> None:
    [finding] = found(view(image="r/x", intent={"job": "x"}), exempt(resource=pattern), image_digest=UNPINNED)
    assert (finding.severity is Severity.WARNING) is covered


def test_brackets_in_a_name_are_no_pattern() -> None:
    resource = view(name="a[1]", image="r/x", intent={"job": "x"})
    [finding] = found(resource, exempt(resource="a[1]*"), image_digest=UNPINNED)
    assert finding.severity is Severity.WARNING


def test_an_exception_is_for_its_rule_only() -> None:
    [finding] = found(view(image="r/x", intent={"job": "x"}), exempt(rule="regions"), image_digest=UNPINNED)
    assert finding.severity is Severity.ERROR


def test_an_exception_holds_on_its_last_day_and_ends_after_it() -> None:
    resource = view(image="r/x", intent={"job": "x"})
    [today] = found(resource, exempt(TODAY.isoformat()), image_digest=UNPINNED)
    assert today.severity is Severity.WARNING
    first, ended = found(resource, exempt("2026-11-23"), image_digest=UNPINNED)
    assert (first.rule, first.severity) == ("image-digest", Severity.ERROR)
    assert (ended.rule, ended.severity) == ("exception-expired", Severity.ERROR)
    assert "2026-11-23" in ended.message
    assert "ana@example.com" in ended.fix


def test_one_that_holds_goes_before_one_that_ended() -> None:
    resource = view(image="r/x", intent={"job": "x"})
    [finding] = found(resource, exempt("2020-01-01"), exempt("2027-01-01"), image_digest=UNPINNED)
    assert finding.severity is Severity.WARNING


class TestStack:
    def budget(
        self, *resources: ResourceView, limit: str = "2000", exceptions: tuple[Exempt, ...] = ()
    ) -> Any:
        context = Context(TODAY)
        given = settings(
            exceptions,
            stack_budget={"max_usd_per_month": limit},
            price_book_age={"severity": "off"},
            stack_workers={"severity": "off"},
        )
        return on_stack([Subject(one, context) for one in resources], given, context)

    def test_endpoints_of_one_name_on_two_clouds_count_twice(self) -> None:
        both = endpoint(), endpoint(cloud="modal")
        assert self.budget(*both, limit="2175.54") == []
        [finding] = self.budget(*both, limit="2175.53")
        assert "$2,175.54" in finding.message
        assert "search $1,176.90" in finding.fix

    def test_raw_resources_and_machines_count_with_every_worker(self) -> None:
        pod = view("pilotlight-runpod:index:Pod", gpu={"id": "NVIDIA H100 80GB HBM3", "count": 1})
        [finding] = self.budget(view(gpu=L4, workers={"max": 3}), pod, limit="1")
        assert finding.message.startswith("the stack costs $4,410.66")
        assert "search $2,912.70, search $1,497.96" in finding.fix

    def test_a_stopped_machine_costs_nothing(self) -> None:
        pod = view("pilotlight-runpod:index:Pod", gpu={"id": "NVIDIA L4"}, desiredState="STOPPED")
        assert self.budget(pod, limit="1") == []

    @pytest.mark.parametrize(
        "resource", [app(M={"gpu": ["L4"]}), endpoint(gpu=["Z99"]), view(gpu={"pools": ["NOVEL"]})]
    )
    def test_what_has_no_price_is_no_zero(self, resource: ResourceView) -> None:
        [finding] = self.budget(endpoint(), resource)
        assert finding.severity is Severity.ERROR
        assert "cannot be told" in finding.message

    def test_what_is_unknown_is_left_to_up_and_the_rest_still_counts(self) -> None:
        over, left = self.budget(endpoint(), view(gpu=L4, workers=UNKNOWN), limit="900")
        assert (over.severity, left.severity) == (Severity.ERROR, Severity.DEFERRED)

    def test_only_an_exception_for_everything_covers_the_stack(self) -> None:
        for pattern, severity in (("*", Severity.WARNING), ("search", Severity.ERROR)):
            one = exempt(resource=pattern, rule="stack-budget")
            [finding] = self.budget(endpoint(), limit="1", exceptions=(one,))
            assert finding.severity is severity

    def workers(self, *resources: ResourceView, **values: Any) -> list[Finding]:
        return stack_findings("stack-workers", *resources, **values)

    def test_endpoints_share_the_account_s_workers(self) -> None:
        three = [view(name=name, workers={"max": 3}) for name in "ab"]
        [finding] = self.workers(*three)
        assert (finding.severity, finding.data["workers"]) == (Severity.WARNING, 6)
        assert "may have 5" in finding.message
        assert self.workers(*three, runpod=6) == []
        assert self.workers(three[0], view("pilotlight-runpod:index:Pod", name="p")) == []
        assert self.workers(view(workers={"max": 9})) == []  # told at the endpoint itself

    def test_containers_of_a_workspace_are_counted_where_its_limit_is_stated(self) -> None:
        two = [view(MODAL, name=name, classes={"M": {"maxContainers": 60}}) for name in "ab"]
        assert self.workers(*two) == []
        [finding] = self.workers(*two, modal=100)
        assert "Modal workspace may have 100" in finding.message

    def test_workers_that_are_unknown_are_left_to_up(self) -> None:
        [finding] = self.workers(view(workers=UNKNOWN), view(name="b", workers={"max": 1}))
        assert finding.severity is Severity.DEFERRED

    @pytest.mark.parametrize(
        ("today", "severity"),
        [
            (date(2027, 1, 15), Severity.WARNING),
            (date(2028, 1, 1), Severity.ERROR),
            (date(2026, 11, 24), None),
        ],
    )
    def test_prices_grow_old(self, today: date, severity: Severity | None) -> None:
        context = Context(today)
        found = on_stack([Subject(endpoint(), context)], settings(), context)
        assert [finding.severity for finding in found] == ([severity] if severity else [])

    def test_a_stack_without_compute_has_no_prices(self) -> None:
        context = Context(date(2030, 1, 1))
        assert on_stack([Subject(view("a:b:C"), context)], settings(), context) == []


def test_endpoints_that_are_alike_are_planned_once_and_keep_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from infra.planning import evaluate as module

    planned = []
    real = module.evaluate
    monkeypatch.setattr(
        module, "evaluate", lambda request, *a, **k: planned.append(request.name) or real(request, *a, **k)
    )
    context = Context(TODAY)
    resources = [endpoint("a"), endpoint("b"), endpoint("c", idle_timeout_s=90)]
    assert [Subject(one, context).plan.name for one in resources] == ["a", "b", "c"]
    assert [Subject(one, context).request.name for one in resources] == ["a", "b", "c"]
    assert planned == ["a", "c"]


def test_what_is_unknown_is_not_taken_for_a_text_that_looks_like_it() -> None:
    context = Context(TODAY)
    known = Subject(endpoint(traffic={"trace": repr(UNKNOWN)}), context)
    assert Subject(endpoint(traffic={"trace": UNKNOWN}), context).open("traffic")
    assert not known.open("traffic")


def hidden(resource: ResourceView, *places: tuple[str | int, ...]) -> ResourceView:
    return replace(resource, secrets=frozenset(places))


def test_no_finding_tells_what_is_secret() -> None:
    resource = hidden(view(image="r/canary-5f1e", intent={"job": "x"}), ("image",), ("none", 0))
    [finding] = found(resource)
    assert finding.rule == "image-digest"
    assert "canary" not in str(finding)
    assert "[secret]" in finding.message


def test_no_finding_on_the_stack_tells_what_is_secret() -> None:
    resource = hidden(endpoint(gpu=["canary-5f1e"]), ("intent", "gpu"))
    context = Context(TODAY)
    [finding] = on_stack(
        [Subject(resource, context)], settings(stack_budget={"max_usd_per_month": 5}), context
    )
    assert "cannot be told" in finding.message
    assert "canary" not in str(finding)


def test_ten_thousand_exceptions_cost_no_time_where_nothing_is_found_and_little_where_something_is() -> None:
    many = tuple(exempt(resource=f"*{index}*a*b*") for index in range(10_000))
    given = settings(many, image_digest=UNPINNED)
    context = Context(TODAY)
    judge(view(image="r/x"), given, context)  # patterns are compiled once
    began = time.process_time()
    for _ in range(10):
        judge(endpoint(), given, context)
        judge(view(name="ab" * 50, image="r/x"), given, context)
    assert time.process_time() - began < 3
