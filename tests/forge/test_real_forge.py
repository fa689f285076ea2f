"""A real forge takes a push, its runner runs the preview workflow, and the comment shows. Minutes: `pytest -m campaign`."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.forge import Action, Kind, Place, open_forge, publish
from infra.report.marker import Marker
from tests.forge.conftest import report
from tests.forge.gitea import OWNER, REPO, Site, serve
from tests.forge.golang import ROOT, cache

pytestmark = pytest.mark.campaign
PULLS = f"/repos/{OWNER}/{REPO}/pulls"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serve(tmp_path_factory.mktemp("gitea")) as site:
        yield site


@pytest.fixture(scope="module")
def checkout(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed here, as a repository of its own, pushed to `main`."""
    folder = tmp_path_factory.mktemp("checkout")
    archive = subprocess.run(
        ["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True, timeout=60)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "as it is")
    push(site, folder, "main")
    return folder


def push(site: Site, folder: Path, branch: str) -> str:
    """The commit, once the forge knows of it too: it takes pushes in by a queue."""
    git(folder, "push", "-q", site.clone_url(), branch)
    commit = git(folder, "rev-parse", "HEAD")
    repo = f"/repos/{OWNER}/{REPO}"
    for _ in range(2000):
        known = {one["name"]: one["commit"]["id"] for one in site.api("GET", f"{repo}/branches") or []}
        if known.get(branch) == commit and not site.api("GET", repo)["empty"]:
            return commit
    raise AssertionError(f"the forge does not take {branch} in: {known}")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=dev", "-c", "user.email=dev@forge.test", "-c", "http.proxy="]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_push_is_previewed_and_its_comment_shows(site: Site, checkout: Path) -> None:
    git(checkout, "checkout", "-q", "-b", "change")
    settings = checkout / "stacks/Pulumi.prod.yaml"

    def change(number: int) -> None:
        settings.write_text(f"{settings.read_text()}  pilotlight:note{number}: 'x'\n")
        git(checkout, "commit", "-q", "-a", "-m", f"change {number}")
        push(site, checkout, "change")

    change(1)
    pull = site.api("POST", PULLS, {"title": "a change", "head": "change", "base": "main"})
    site.run_next_job(cache())
    (comment,) = site.api("GET", f"/repos/{OWNER}/{REPO}/issues/{pull['number']}/comments")
    marker = Marker.parse(comment["body"])
    assert marker is not None
    assert (marker.stack, comment["user"]["login"]) == ("prod", "gitea-actions")
    assert "prod" in comment["body"].splitlines()[1]

    change(2)
    site.run_next_job(cache())
    (again,) = site.api("GET", f"/repos/{OWNER}/{REPO}/issues/{pull['number']}/comments")
    assert again["id"] == comment["id"]


def test_the_client_agrees_with_the_real_forge(site: Site, checkout: Path) -> None:
    git(checkout, "checkout", "-q", "-b", "other", "main")
    (checkout / "note.txt").write_text("x")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-q", "-m", "a note")
    push(site, checkout, "other")
    pull = site.api("POST", PULLS, {"title": "another", "head": "other", "base": "main"})
    number, head = pull["number"], pull["head"]["sha"]
    place = Place(Kind.GITEA, f"{site.url}/api/v1", f"{OWNER}/{REPO}", number, None, site.token, "TOKEN")
    forge = open_forge(place)

    def post(digest: str, commit: str = head) -> Action:
        return publish(forge, number, [report(digest=digest, head=commit)], print)[0].action

    for count in range(60):
        site.api("POST", f"/repos/{OWNER}/{REPO}/issues/{number}/comments", {"body": f"comment {count}"})
    assert forge.author() == OWNER
    assert [post("ab" * 32), post("ab" * 32), post("cd" * 32)] == [
        Action.CREATED,
        Action.UNCHANGED,
        Action.UPDATED,
    ]
    assert post("ef" * 32, "f" * 40) == Action.SUPERSEDED
    found = forge.pull_of_branch(OWNER, "other")
    assert found is not None
    assert (found.number, found.head, found.fork) == (number, head, False)
    assert forge.pull_of_commit(head) is None
    issue = forge.create_issue("a topic", "text")
    assert [one.id for one in forge.issues(OWNER)] == [issue.id]
    assert forge.update_issue(issue.id, "other text").body == "other text"
    forge.close_issue(issue.id)
    assert list(forge.issues(OWNER)) == []
