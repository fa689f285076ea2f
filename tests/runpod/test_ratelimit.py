"""Quota headers and what follows from them."""

from infra.runpod.ratelimit import RateBudget, parse, retry_after


def headers(remaining: int, resets_s: int) -> dict[str, str]:
    return {
        "RateLimit-Policy": '"minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400',
        "RateLimit": f'"minute";r={remaining};t={resets_s}, "hour";r=2800;t=1812, "day";r=49500;t=45012',
    }


def test_headers_are_read_by_window() -> None:
    assert parse(headers(0, 12)["RateLimit"])["minute"] == {"r": 0, "t": 12}
    assert parse(headers(0, 12)["RateLimit-Policy"])["day"] == {"q": 50000, "w": 86400}
    assert parse("nonsense") == {}
    assert parse("") == {}


def test_retry_after_in_seconds_only() -> None:
    assert retry_after({"Retry-After": "7"}) == 7
    assert retry_after({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}) is None
    assert retry_after({}) is None


def test_without_headers_nothing_waits() -> None:
    budget = RateBudget()
    for _ in range(1000):
        assert budget.delay(0) == 0
        budget.take()
        budget.done({}, 0)


def test_waits_for_the_reset_when_nothing_remains_and_then_has_the_whole_quota() -> None:
    budget = RateBudget()
    budget.take()
    budget.done(headers(1, 12), now=100)
    assert budget.delay(100) == 0
    budget.take()
    assert budget.delay(100) == 12
    assert budget.delay(105) == 7
    sent = 0
    while budget.delay(112) == 0:
        budget.take()
        sent += 1
    assert sent == 60


def test_requests_in_flight_are_not_counted_as_free() -> None:
    budget = RateBudget()
    for _ in range(3):
        budget.take()
    budget.done(headers(2, 30), now=0)
    assert budget.delay(0) == 30


def test_a_429_holds_everything_for_as_long_as_it_says() -> None:
    budget = RateBudget()
    assert budget.refused({"Retry-After": "9"}, 50, 5) == 9
    assert budget.delay(50) == 9
    assert budget.delay(59) == 0


def test_a_429_without_retry_after_uses_the_exhausted_window_or_the_fallback() -> None:
    assert RateBudget().refused(headers(0, 31), 0, 5) == 31
    assert RateBudget().refused({}, 0, 5) == 5


def test_the_longest_exhausted_window_rules() -> None:
    budget = RateBudget()
    budget.take()
    budget.done({"RateLimit": '"minute";r=0;t=12, "hour";r=0;t=1812'}, 0)
    assert budget.delay(0) == 1812
