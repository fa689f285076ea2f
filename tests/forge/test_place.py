"""What a CI job's environment tells, and what is said when it does not."""

import json
from pathlib import Path

import pytest

from infra.forge import ForgeError, Kind, Place

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_API_URL": "https://ghe.test/api/v3",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_REF": "refs/pull/12/merge",
    "GITHUB_TOKEN": "t1",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_API_V4_URL": "https://gitlab.test/api/v4",
    "CI_PROJECT_PATH": "fork/shop",
    "CI_MERGE_REQUEST_PROJECT_PATH": "acme/team/shop",
    "CI_MERGE_REQUEST_IID": "5",
    "GITLAB_TOKEN": "t2",
}


def test_a_job_on_github() -> None:
    place = Place.find(GITHUB)
    assert (place.kind, place.api_url, place.repo, place.number, place.token, place.token_source) == (
        Kind.GITHUB,
        "https://ghe.test/api/v3",
        "acme/shop",
        12,
        "t1",
        "GITHUB_TOKEN",
    )


def test_a_job_on_gitlab_writes_to_the_target_of_a_fork() -> None:
    place = Place.find(GITLAB)
    assert (place.kind, place.repo, place.number) == (Kind.GITLAB, "acme/team/shop", 5)


@pytest.mark.parametrize("sign", ["GITEA_ACTIONS", "FORGEJO_ACTIONS"])
def test_a_job_on_gitea_looks_like_one_on_github(sign: str) -> None:
    assert Place.find({**GITHUB, sign: "true"}).kind == Kind.GITEA


def test_our_own_variable_goes_before_the_jobs_token() -> None:
    assert Place.find({**GITHUB, "PILOTLIGHT_FORGE_TOKEN": "t3"}).token == "t3"
    assert Place.find({**GITHUB, "PILOTLIGHT_FORGE_TOKEN": ""}).token == "t1"


def test_what_is_said_goes_before_what_is_found() -> None:
    both = {**GITHUB, "GITLAB_TOKEN": "t2"}
    place = Place.find(both, kind=Kind.GITLAB, repo="a/b", number=3, api_url="https://x.test/", author="me")
    assert (place.kind, place.repo, place.number, place.api_url, place.author, place.token) == (
        Kind.GITLAB,
        "a/b",
        3,
        "https://x.test",
        "me",
        "t2",
    )


def event(tmp_path: Path, content: object) -> dict[str, str]:
    path = tmp_path / "event.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return {**GITHUB, "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_PATH": str(path)}


def test_the_event_names_the_pull_request(tmp_path: Path) -> None:
    assert Place.find(event(tmp_path, {"pull_request": {"number": 9}})).number == 9


def test_a_run_that_follows_one_of_a_fork_names_its_branch(tmp_path: Path) -> None:
    run = {"head_branch": "change", "head_repository": {"owner": {"login": "mallory"}}}
    place = Place.find(event(tmp_path, {"workflow_run": run}))
    assert (place.number, place.branch) == (None, ("mallory", "change"))


@pytest.mark.parametrize("content", ["", "nonsense", "[]", {"workflow_run": {"head_repository": None}}])
def test_an_event_that_tells_nothing(tmp_path: Path, content: object) -> None:
    place = Place.find(event(tmp_path, content))
    assert (place.number, place.branch) == (None, None)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "--forge"),
        ({**GITHUB, "GITHUB_REPOSITORY": ""}, "--repo"),
        ({**GITHUB, "GITHUB_REPOSITORY": "../../user"}, "--repo"),
        ({**GITHUB, "GITHUB_TOKEN": ""}, "GITHUB_TOKEN"),
        ({"GITEA_ACTIONS": "true"}, "--api-url"),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], missing: str) -> None:
    with pytest.raises(ForgeError, match=missing):
        Place.find(environment)


def test_public_forges_need_no_address() -> None:
    found = Place.find({"GITHUB_TOKEN": "t", "GITLAB_TOKEN": "t"}, kind=Kind.GITHUB, repo="a/b")
    assert found.api_url == "https://api.github.com"
