"""One comment per stack: written once, brought up to date, and never over what is newer or another's."""

import pytest

from infra.forge import Action, ForgeError, Kind, close_issue, publish, publish_issue, reviewed
from infra.forge.issue import issue_body, issue_marker
from infra.report.marker import NO_HEAD, Marker
from tests.forge.conftest import Site, report
from tests.forge.world import BOT, HEAD, Fault, Request

every_kind = pytest.mark.parametrize("kind", list(Kind))


def post(site: Site, *bodies: str) -> list[Action]:
    return [outcome.action for outcome in publish(site.forge(), 7, bodies, site.said.append)]


@every_kind
def test_posting_twice_makes_one_write(site: Site) -> None:
    assert post(site, report()) == [Action.CREATED]
    assert post(site, report()) == [Action.UNCHANGED]
    assert len(site.world.writes) == 1
    assert [note.body for note in site.world.pulls[7].notes] == [report()]


@every_kind
def test_another_digest_updates_the_same_comment(site: Site) -> None:
    post(site, report())
    assert post(site, report(digest="cd" * 32, text="### worse")) == [Action.UPDATED]
    assert [note.body for note in site.world.pulls[7].notes] == [report(digest="cd" * 32, text="### worse")]


@every_kind
def test_each_stack_has_its_own_comment_and_the_list_is_read_once(site: Site) -> None:
    assert post(site, report("prod"), report("staging")) == [Action.CREATED, Action.CREATED]
    site.world.log.clear()
    assert post(site, report("prod", digest="cd" * 32), report("staging")) == [
        Action.UPDATED,
        Action.UNCHANGED,
    ]
    assert len([path for _, path in site.world.log if "/comments" in path or "/notes" in path]) == 2


@every_kind
def test_found_among_three_thousand(site: Site) -> None:
    for number in range(1500):
        site.world.say(f"comment {number}", author="someone", system=number % 2 == 0)
    mine = site.world.say(report())
    for number in range(1500):
        site.world.say(f"comment {number}", author="someone")
    assert post(site, report(digest="cd" * 32)) == [Action.UPDATED]
    assert mine.body == report(digest="cd" * 32)
    assert len(site.world.pulls[7].notes) == 3001


@every_kind
def test_not_found_among_three_thousand_is_posted_once(site: Site) -> None:
    for number in range(3000):
        site.world.say(f"comment {number}", author="someone")
    assert post(site, report()) == [Action.CREATED]
    assert site.world.pulls[7].notes[-1].body == report()


@every_kind
def test_what_a_newer_head_said_stays(site: Site) -> None:
    post(site, report())
    before = len(site.world.writes)
    assert post(site, report(digest="cd" * 32, head="f" * 40)) == [Action.SUPERSEDED]
    assert len(site.world.writes) == before
    assert site.world.pulls[7].notes[0].body == report()


def test_a_shortened_head_is_the_same_head(site: Site) -> None:
    assert post(site, report(head=HEAD[:8])) == [Action.CREATED]


def test_a_report_without_a_commit_is_not_put_over_one_of_the_head(site: Site) -> None:
    post(site, report())
    assert post(site, report(digest="cd" * 32, head=NO_HEAD)) == [Action.SUPERSEDED]
    assert len(site.world.writes) == 1


def test_a_report_without_a_commit_is_better_than_nothing(site: Site) -> None:
    assert post(site, report(head=NO_HEAD)) == [Action.CREATED]


@every_kind
def test_anothers_comment_with_our_marker_is_left_alone(site: Site) -> None:
    theirs = site.world.say(report(), author="mallory")
    orphan = site.world.say(report(), author=None)
    assert post(site, report(digest="cd" * 32)) == [Action.CREATED]
    assert theirs.body == orphan.body == report()
    assert any("mallory" in line for line in site.said)
    # Nor does it make the real one look posted already.
    assert post(site, report(digest="cd" * 32)) == [Action.UNCHANGED]


@pytest.mark.parametrize("kind", [Kind.GITLAB])
def test_a_note_that_gitlab_itself_wrote_is_not_a_report(site: Site) -> None:
    site.world.say(report(), system=True)
    assert post(site, report()) == [Action.CREATED]


def test_a_pull_request_is_no_issue_though_github_lists_it_as_one(site: Site) -> None:
    body = issue_body("shop", "prod", "drift", "moved", "")
    site.world.pulls[7].text = body
    assert publish_issue(site.forge(), "prod: drift", body, site.said.append).action == Action.CREATED


def test_a_quoted_marker_is_not_a_report(site: Site) -> None:
    site.world.say("> " + report())
    site.world.say("see\n" + report())
    assert post(site, report()) == [Action.CREATED]


@pytest.mark.parametrize("kind", [Kind.GITHUB, Kind.GITEA])
def test_a_jobs_token_that_may_not_ask_whose_it_is(site: Site) -> None:
    site.world.tokens = dict.fromkeys(site.world.tokens, "" if site.kind == Kind.GITHUB else "gitea-actions")
    assert post(site, report()) == [Action.CREATED]
    assert post(site, report()) == [Action.UNCHANGED]


@every_kind
def test_a_lost_answer_is_looked_for_before_it_is_sent_again(site: Site) -> None:
    site.world.faults.append(Fault("POST", 502, done=True))
    assert post(site, report()) == [Action.CREATED]
    assert len(site.world.pulls[7].notes) == 1


@every_kind
def test_a_creation_that_did_not_happen_is_sent_again(site: Site) -> None:
    site.world.faults.extend([Fault("POST", 502), Fault("POST", silent=True)])
    assert post(site, report()) == [Action.CREATED]
    assert len(site.world.pulls[7].notes) == 1


def test_a_creation_that_never_happens_ends(site: Site) -> None:
    site.world.faults.extend([Fault("POST", 502)] * 9)
    with pytest.raises(ForgeError, match="502"):
        post(site, report())
    assert len(site.world.writes) == 3


def test_a_text_without_a_marker_is_refused_before_anything_is_asked(site: Site) -> None:
    with pytest.raises(ForgeError, match="pilotlight preview"):
        post(site, "hello")
    assert site.world.log == []


@every_kind
def test_what_was_reviewed_agrees(site: Site) -> None:
    site.world.pulls[7].merge = "e" * 40
    post(site, report())
    pull = site.forge().pull_of_commit("e" * 40)
    assert pull is not None
    same, other = Marker.parse(report()), Marker.parse(report(digest="cd" * 32))
    assert same is not None
    assert other is not None
    assert reviewed(site.forge(), pull, [same], site.said.append) == []
    assert "cdcdcdcdcdcd" in reviewed(site.forge(), pull, [other], site.said.append)[0]


def test_reports_without_a_digest_agree_with_nothing(site: Site) -> None:
    nothing = report(digest="0" * 64)
    assert [*post(site, nothing), *post(site, nothing)] == [Action.CREATED, Action.UPDATED]
    site.world.pulls[7].merge = "e" * 40
    pull, marker = site.forge().pull_of_commit("e" * 40), Marker.parse(nothing)
    assert pull is not None
    assert marker is not None
    assert reviewed(site.forge(), pull, [marker], site.said.append) != []


@every_kind
def test_nobody_reviewed_what_was_not_posted_by_us_or_came_from_a_fork(site: Site) -> None:
    marker = Marker.parse(report())
    assert marker is not None
    site.world.pulls[7].merge = "e" * 40
    site.world.say(report(), author="mallory")
    pull = site.forge().pull_of_commit("e" * 40)
    assert pull is not None
    assert "no preview" in reviewed(site.forge(), pull, [marker], site.said.append)[0]
    site.world.say(report())
    assert reviewed(site.forge(), pull, [marker], site.said.append) == []
    site.world.pulls[7].owner = "mallory"
    pull = site.forge().pull_of_commit("e" * 40)
    assert pull is not None
    assert "fork" in reviewed(site.forge(), pull, [marker], site.said.append)[0]


@every_kind
def test_a_commit_that_no_merge_made(site: Site) -> None:
    assert site.forge().pull_of_commit("d" * 40) is None


@every_kind
def test_the_pull_request_of_a_branch(site: Site) -> None:
    for number in range(100, 230):
        site.world.pulls[number] = Request(number, branch=f"b{number}", owner="fork")
    found = site.forge().pull_of_branch("fork", "b229")
    assert found is not None
    assert (found.number, found.fork) == (229, True)
    assert site.forge().pull_of_branch("fork", "none") is None


@every_kind
def test_one_issue_for_a_topic_until_all_is_well(site: Site) -> None:
    def tell(text: str) -> Action:
        body = issue_body("shop", "prod", "drift", text, "")
        return publish_issue(site.forge(), "prod: drift", body, site.said.append).action

    assert [tell("moved"), tell("moved"), tell("moved more")] == [
        Action.CREATED,
        Action.UNCHANGED,
        Action.UPDATED,
    ]
    assert [topic.author for topic in site.world.topics] == [BOT]
    marker = issue_marker("shop", "prod", "drift", "")
    assert close_issue(site.forge(), marker, site.said.append) is not None
    assert site.world.topics[0].state == "closed"
    assert close_issue(site.forge(), marker, site.said.append) is None
    assert tell("moved") == Action.CREATED
