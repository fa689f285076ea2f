"""The verdict and what it rests on, from every way in which a preview can end."""

from typing import Any

import pytest

from infra.report.build import declared_changes, stack_report
from infra.report.events import read
from infra.report.facts import Declared
from infra.report.model import Basis, Diagnostic, Verdict
from infra.report.wording import headline
from tests.report.made import event, facts, finding, judged, lines, planned, report, resource, step, urn

CLEAN = judged(34)


@pytest.mark.parametrize(
    ("about", "verdict", "reason"),
    [
        ({"judged": CLEAN}, Verdict.OK, ""),
        ({}, Verdict.BLOCKED, ""),
        ({"judged": CLEAN, "stream": read(lines(1, end="failed"))}, Verdict.FAILED, "gave up"),
        ({"judged": CLEAN, "stream": read(lines(3, end=None))}, Verdict.FAILED, "broke off"),
        ({"stream": read(lines(3, end=None))}, Verdict.FAILED, "broke off"),
        ({"judged": CLEAN, "head": Declared(why="the program fails: 1 / 0")}, Verdict.FAILED, "1 / 0"),
        ({"judged": CLEAN, "stream": None, "no_engine": "no backend"}, Verdict.OK, "no backend"),
        ({"judged": judged(1, finding("a", "warning"))}, Verdict.OK, ""),
    ],
)
def test_the_verdict(about: dict[str, Any], verdict: Verdict, reason: str) -> None:
    made = report(**about)
    assert made.verdict is verdict
    assert reason in made.reason
    assert bool(reason) == bool(made.reason)


def test_the_sentence_of_a_block_has_cost_and_cold_start_before_and_after() -> None:
    assert headline(report()) == (
        "prod: blocked by 1 policy. $1,240 -> $2,915 /month expected (+$1,675); cold start p95 41 s (SLO 30 s)"
    )


def test_an_endpoint_without_traffic_is_told_by_its_ceiling() -> None:
    head = Declared([], {"chat-0": planned("chat-0", slo_s=None, expected=None)})
    assert (
        headline(report(judged=CLEAN, head=head))
        == "prod: 1 to replace. $6,548 /month at the most; cold start p95 22 s"
    )


def test_the_worst_start_against_its_slo_is_named_when_there_are_several() -> None:
    endpoints = {"slow": planned("slow", slo_s=None, p95=90.0), "late": planned("late", slo_s=10, p95=20.0)}
    assert "cold start p95 of late 20 s (SLO 10 s)" in headline(report(head=Declared([], endpoints)))


def test_endpoints_before_and_after() -> None:
    before = Declared([], {"a": planned("a"), "b": planned("b"), "c": planned("c")})
    after = Declared([], {"b": planned("b"), "c": planned("c", expected="2"), "d": planned("d")})
    found = {one.name: one.change for one in report(base=before, head=after).endpoints}
    assert found == {"a": "removed", "b": "same", "c": "changed", "d": "new"}


def test_a_state_that_is_not_what_the_base_declares_is_told() -> None:
    base = Declared([], {"chat-0": planned("chat-0")})
    [same] = report(base=base, deployed={"chat-0": planned("chat-0")}).endpoints
    [drifted] = report(base=base, deployed={"chat-0": planned("chat-0", gpu="A40")}).endpoints
    assert same.deployed is None
    assert drifted.deployed is not None


def test_without_a_base_the_state_is_before() -> None:
    made = report(base=None, deployed={"chat-0": planned("chat-0", expected="7")})
    assert made.before is not None
    assert str(made.before.expected) == "7"
    assert any("the state of the stack" in note for note in made.notes)


def test_a_base_that_does_not_run_is_a_note_and_no_failure() -> None:
    made = report(judged=CLEAN, base=Declared(why="the program fails: old"))
    assert made.verdict is Verdict.OK
    assert any("the program fails: old" in note for note in made.notes)


def test_a_violation_of_a_pack_blocks() -> None:
    body = {
        "resourceUrn": urn("chat-0"),
        "message": "no\nL4",
        "policyName": "no-l4",
        "policyPackName": "gate",
    }
    for level, verdict in (("mandatory", Verdict.BLOCKED), ("advisory", Verdict.OK)):
        stream = read(
            [
                *lines(1, end="failed" if level == "mandatory" else "succeeded"),
                event(9, policyEvent={**body, "enforcementLevel": level}),
            ]
        )
        made = report(judged=CLEAN, stream=stream)
        assert made.verdict is verdict
        [one] = made.judgements
        assert (one.policy, one.pack, one.message, one.source) == (
            "no-l4",
            "gate",
            "no L4",
            ("stacks/__main__.py", 12),
        )


def test_what_a_pack_repeats_of_the_rules_is_told_once() -> None:
    body = {
        "resourceUrn": urn("chat-0"),
        "message": "again",
        "policyName": "cold-start-slo",
        "policyPackName": "own",
    }
    stream = read([*lines(1, end="failed"), event(9, policyEvent={**body, "enforcementLevel": "mandatory"})])
    assert [one.pack for one in report(judged=judged(1, finding("chat-0")), stream=stream).judgements] == [""]


def test_a_stack_that_is_not_there_yet_is_all_new() -> None:
    made = report(judged=judged(1), stream=None, no_engine="not there", fresh=True)
    assert (made.counts(), made.compared) == ({"create": 1}, True)


REFUSED = "pilotlight-runpod:index:Endpoint resource 'chat-0' has a problem: asks for 200 Fix: ask for 5 [worker-quota]"


def test_what_only_a_providers_gate_refused_blocks_and_is_told_once() -> None:
    said = event(8, diagnosticEvent={"urn": urn("chat-0"), "severity": "error", "message": REFUSED})
    stream = read([said, *lines(1, end="failed")])
    made = report(judged=judged(3, finding("chat-0", "deferred", "worker-quota")), stream=stream)
    assert made.verdict is Verdict.BLOCKED
    [one] = made.judgements
    assert (one.policy, one.level, one.message, one.fix) == (
        "worker-quota",
        "error",
        "asks for 200",
        "ask for 5",
    )
    assert made.diagnostics == ()


def test_what_the_engine_said_beside_findings_is_kept() -> None:
    generic = event(8, diagnosticEvent={"severity": "error", "message": "preview failed\n"})
    other = event(9, diagnosticEvent={"severity": "warning", "message": "mind the gap\n"})
    made = report(judged=CLEAN, stream=read([generic, other, *lines(1)]), said=(Diagnostic("error", "bang"),))
    assert [one.message for one in made.diagnostics] == ["bang", "mind the gap"]


def test_without_the_engine_declarations_are_compared() -> None:
    base = [resource("gone"), resource("same", a=1), resource("moved", a={"b": [1, 2]})]
    head = [resource("same", a=1), resource("moved", a={"b": [1, 3]}), resource("new")]
    found = list(declared_changes(base, head))
    assert [(one.op, one.name) for one in found] == [
        ("update", "moved"),
        ("create", "new"),
        ("delete", "gone"),
    ]
    assert [(diff.path, diff.before, diff.after) for diff in found[0].diffs] == [("a.b[1]", "2", "3")]
    made = report(stream=None, base=None, no_engine="offline", judged=CLEAN)
    assert (made.basis, made.compared, made.changes) == (Basis.DECLARATIONS, False, ())


def test_the_digest_is_of_what_the_change_does() -> None:
    one = report()
    assert report(seconds=9, base_commit="f" * 40, notes=("x",)).digest == one.digest
    assert report(base=Declared([], {"chat-0": planned("chat-0", expected="9")})).digest == one.digest
    others = [
        report(judged=CLEAN),
        report(stream=read(lines(2))),
        report(stream=read([*lines(1)][:-1])),
        report(declared={urn("chat-0"): {"workers": {"max": 5}}}),
        report(head=Declared(facts().head.resources, {"chat-0": planned("chat-0")})),
        report(stream=read([line.replace("b" * 64, "c" * 64) for line in lines(1)])),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 7


def test_how_far_an_engine_came_that_stopped_early_is_not_in_the_digest() -> None:
    one, other = (report(stream=read(lines(count, end="failed"))).digest for count in (1, 2))
    assert one == other
    assert report(judged=judged(1, finding("b")), stream=read(lines(1, end="failed"))).digest != one


def test_generated_names_do_not_change_the_digest() -> None:
    made = [
        stack_report(
            facts(
                judged=CLEAN,
                stream=read(
                    [event(0, resourcePreEvent=step("a", "create", None, {"name": f"a-{suffix}"})), *lines(1)]
                ),
            )
        )
        for suffix in ("x7q", "p2m")
    ]
    assert made[0].digest == made[1].digest
