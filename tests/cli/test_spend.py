"""A bill against the plan."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.cli.audit_stack import Held, parse
from infra.cli.spend import WindowError, as_data, as_text, duration
from infra.cli.spend_against import Line, elsewhere, lines, plans_of
from infra.cli.spend_bill import Bill, _add, whole_hour

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
INTENT = {
    "endpoint": "search",
    "cloud": "runpod",
    "gpu": ["L4"],
    "workers": {"min": 0, "max": 2},
    "idleTimeoutS": 60,
}
TRAFFIC = {"traffic": {"requestsPerHour": 30, "serviceS": 2}}


def state(intent: dict[str, Any] | None, made: datetime = NOON - timedelta(days=30)) -> Held:
    entry = {
        "urn": "urn:pulumi:dev::shop::pilotlight-runpod:index:Endpoint::search",
        "type": "pilotlight-runpod:index:Endpoint",
        "id": "e1",
        "created": made.isoformat(),
        "inputs": {} if intent is None else {"intent": intent},
    }
    return parse("dev", {"deployment": {"resources": [entry]}})


def bill(days: int = 10, **usd: str) -> Bill:
    found = Bill(NOON - timedelta(days=days), until={"runpod": NOON, "modal": NOON})
    found.usd.update({id: Decimal(amount) for id, amount in usd.items()})
    return found


def one(held: Held, billed: Bill) -> Line:
    [line] = lines(held, billed, plans_of(held))
    return line


def test_the_error_of_the_plan_is_billed_over_planned() -> None:
    held = state({**INTENT, **TRAFFIC})
    plan = next(iter(plans_of(held).values()))
    assert plan.cost.expected is not None
    planned = plan.cost.expected * 240 / 730
    line = one(held, bill(e1=str(planned * Decimal("1.25"))))
    assert line.hours == 240
    assert line.error is not None
    assert abs(line.error - Decimal("0.25")) < Decimal("1e-9")
    assert line.verdict == "within the plan's interval"
    assert line.basis == "rate (a guess)"


@pytest.mark.parametrize(
    ("usd", "verdict"),
    [("0", "below the plan's interval"), ("9999", "above the ceiling"), ("200", "above the plan's interval")],
)
def test_the_verdict_says_which_bound_is_crossed(usd: str, verdict: str) -> None:
    assert one(state({**INTENT, **TRAFFIC}), bill(e1=usd)).verdict == verdict


def test_without_traffic_there_is_no_error_to_speak_of() -> None:
    line = one(state(INTENT), bill(e1="1"))
    assert (line.error, line.planned, line.verdict) == (None, None, "no traffic declared")
    assert line.ceiling is not None


def test_below_the_floor_is_told() -> None:
    always_on = {**INTENT, "workers": {"min": 1, "max": 2}}
    assert one(state(always_on), bill(e1="1")).verdict == "below the floor"


def test_only_the_time_that_it_lived_is_planned_for() -> None:
    line = one(state({**INTENT, **TRAFFIC}, made=NOON - timedelta(hours=6)), bill(e1="0.01"))
    assert line.hours == 6
    assert line.verdict.startswith("less than a day")


def test_what_is_billed_to_others_is_summed_apart() -> None:
    held, billed = state(INTENT), bill(e1="1", gone="2.5")
    assert elsewhere(held, billed) == Decimal("2.5")
    data = as_data("dev", billed, lines(held, billed, {}), elsewhere(held, billed), {})
    assert data["usd"] == {"billed": "1.0000", "elsewhere": "2.5000"}
    assert data["lines"][0]["usd"]["planned"] is None
    assert "$2.50" in as_text("dev", billed, lines(held, billed, {}), elsewhere(held, billed))


def test_a_plan_that_cannot_be_made_still_leaves_a_line() -> None:
    lost = {**INTENT, "traffic": {"trace": "nowhere.csv"}}
    assert one(state(lost), bill(e1="1")).verdict == "not planned"
    assert one(state(None), bill(e1="1")).billed == 1


def test_durations() -> None:
    month = timedelta(days=31)
    assert duration("90m", month) == timedelta(minutes=90)
    assert duration(" 4W ", month) == timedelta(weeks=4)
    for wrong in ("", "0h", "7", "h", "-1d", "1.5h", "5w", "9999999h", "2h3m"):
        with pytest.raises(WindowError):
            duration(wrong, month)


def test_a_window_begins_with_a_whole_hour() -> None:
    assert whole_hour(NOON + timedelta(minutes=59, seconds=59, microseconds=9)) == NOON


def test_two_providers_of_one_account_pay_once() -> None:
    billed = bill()
    for _ in range(2):
        _add(billed, {"e1": Decimal("1.5")})
    assert billed.usd["e1"] == Decimal("1.5")


def test_a_cloud_that_was_not_asked_has_no_verdict() -> None:
    billed = bill()
    del billed.until["runpod"]
    line = one(state({**INTENT, **TRAFFIC}), billed)
    assert (line.verdict, line.error) == ("not asked", None)
