"""What a forge may answer instead, and what the user is told then. The token is in none of it."""

import pytest

from infra.forge import Action, ForgeError, Kind, Place, open_forge, publish
from infra.forge.api import PATIENCE_S
from infra.forge.errors import Forbidden, NotFound, RateLimited, TooLong, Unauthorized, Unavailable
from tests.forge.conftest import TOKEN, Site, Time, report
from tests.forge.server import LONGEST
from tests.forge.world import REPO, Fault

every_kind = pytest.mark.parametrize("kind", list(Kind))


def post(site: Site, body: str = report(), number: int = 7) -> list[Action]:
    return [outcome.action for outcome in publish(site.forge(), number, [body], site.said.append)]


@every_kind
def test_no_pull_request(site: Site) -> None:
    with pytest.raises(NotFound, match=r"404.*\n.*--pr.*FORGE_TOKEN"):
        post(site, number=404)
    assert site.time.waits == []


@every_kind
def test_a_token_that_is_not_accepted(site: Site) -> None:
    site.world.tokens.clear()
    with pytest.raises(Unauthorized, match="FORGE_TOKEN holds no valid token") as failure:
        post(site)
    assert TOKEN not in str(failure.value)


@every_kind
def test_a_token_that_may_not_write_is_told_what_it_needs(site: Site) -> None:
    site.world.readers.add(TOKEN)
    with pytest.raises(Forbidden, match=r"write|api"):
        post(site)
    assert len(site.world.writes) == 1


@pytest.mark.parametrize("kind", [Kind.GITHUB, Kind.GITLAB])
def test_a_text_too_long_is_told_with_its_length(site: Site) -> None:
    body = report(text="x" * LONGEST[site.kind])
    with pytest.raises(TooLong, match=f"{len(body)} characters.*maximum is {LONGEST[site.kind]}"):
        post(site, body)


def test_the_longest_text_fits(site: Site) -> None:
    body = report()
    assert post(site, body + "x" * (LONGEST[site.kind] - len(body))) == [Action.CREATED]


@every_kind
def test_too_many_requests_waits_as_long_as_it_is_told(site: Site) -> None:
    site.world.faults.extend(
        [Fault("GET", 429, {"Retry-After": "17"}), Fault("POST", 429, {"Retry-After": "3"})]
    )
    assert post(site) == [Action.CREATED]
    assert site.time.waits == [17.5, 3.5]
    assert any("waiting 18 s" in line for line in site.said)


def test_a_moment_may_be_named_instead(site: Site) -> None:
    site.time.now = 1_800_000_000.0
    site.world.faults.append(Fault("GET", 429, {"Retry-After": "Fri, 15 Jan 2027 08:00:20 GMT"}))
    assert post(site) == [Action.CREATED]
    assert site.time.waits == [20.5]


def test_the_hourly_quota_names_its_reset_and_comes_as_403(site: Site) -> None:
    reset = str(int(site.time.now) + 40)
    limits = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    site.world.faults.append(Fault("GET", 403, limits, '{"message": "API rate limit exceeded"}'))
    assert post(site) == [Action.CREATED]
    assert site.time.waits == [40.5]


def test_a_secondary_limit_comes_as_403_and_says_nothing_more(site: Site) -> None:
    said = '{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}'
    site.world.faults.append(Fault("POST", 403, {}, said))
    assert post(site) == [Action.CREATED]
    assert site.time.waits == [60.5]


@every_kind
def test_a_wait_beyond_patience_is_not_begun(site: Site) -> None:
    site.world.faults.append(Fault("GET", 429, {"Retry-After": "3600"}))
    with pytest.raises(RateLimited, match="3600 s"):
        post(site)
    assert site.time.waits == []


def test_a_limit_that_never_ends_does(site: Site) -> None:
    site.world.faults.extend([Fault("GET", 429, {"Retry-After": "0"}) for _ in range(50)])
    with pytest.raises(RateLimited):
        post(site)
    assert min(site.time.waits) >= 1
    assert len(site.world.log) == 5


@every_kind
def test_trouble_that_passes(site: Site) -> None:
    site.world.faults.extend([Fault("GET", 500), Fault("GET", 503, {}, "<html>"), Fault("GET", silent=True)])
    assert post(site) == [Action.CREATED]
    assert len(site.time.waits) == 3
    assert site.time.waits == sorted(site.time.waits)


@every_kind
def test_trouble_that_stays_is_told_after_bounded_attempts(site: Site) -> None:
    site.world.faults.extend([Fault("GET", 502, {}, "<html>bad gateway</html>") for _ in range(50)])
    with pytest.raises(Unavailable, match=r"502: a web page.*\n.*nothing is posted twice"):
        post(site)
    assert len(site.world.log) == 5
    assert sum(site.time.waits) < PATIENCE_S


@every_kind
def test_an_update_is_sent_again(site: Site) -> None:
    post(site)
    method = "PUT" if site.kind == Kind.GITLAB else "PATCH"
    site.world.faults.extend([Fault(method, 500, done=True), Fault(method, silent=True)])
    assert post(site, report(digest="cd" * 32)) == [Action.UPDATED]
    assert len(site.world.pulls[7].notes) == 1


def test_nobody_listens() -> None:
    place = Place(Kind.GITHUB, "http://127.0.0.1:9", REPO, 7, None, TOKEN, "FORGE_TOKEN")
    time = Time()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        publish(open_forge(place, print, time.clock()), 7, [report()], print)
    assert len(time.waits) == 4


@every_kind
@pytest.mark.parametrize("body", ["[]", "null", '{"number": "x"}', "<html>sign in</html>", "[1, 2]", '"x"'])
def test_an_answer_that_is_none(site: Site, body: str) -> None:
    site.world.faults.append(Fault("GET", 200, {}, body))
    with pytest.raises(ForgeError, match="would not say"):
        post(site)


@every_kind
def test_a_forge_that_moved(site: Site) -> None:
    site.world.faults.append(Fault("GET", 301, {"Location": "https://elsewhere.test/x"}, ""))
    with pytest.raises(NotFound, match="moved"):
        post(site)


@every_kind
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
def test_a_forge_that_repeats_the_token_does_not_make_us_print_it(site: Site, status: int) -> None:
    said = f'{{"message": "token {TOKEN} is not good", "errors": ["{TOKEN}"]}}'
    site.world.faults.extend([Fault("GET", status, {"Retry-After": "1"}, said) for _ in range(20)])
    with pytest.raises(ForgeError) as failure:
        post(site)
    text = " ".join(
        [str(failure.value), repr(failure.value), *site.said, repr(site.place()), repr(site.forge())]
    )
    assert "token [secret] is not good" in text
    assert TOKEN not in text
