"""Which forge, repository, pull request and token: said by the caller, or read from what a CI job has in its environment."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.forge.api import Api, Clock
from infra.forge.errors import ForgeError
from infra.forge.gitea import Gitea
from infra.forge.github import GitHub
from infra.forge.gitlab import GitLab
from infra.forge.model import Forge, Kind

TOKEN_VARIABLE = "PILOTLIGHT_FORGE_TOKEN"
_TOKENS = {
    Kind.GITHUB: (TOKEN_VARIABLE, "GITHUB_TOKEN", "GH_TOKEN"),
    Kind.GITLAB: (TOKEN_VARIABLE, "GITLAB_TOKEN"),
    Kind.GITEA: (TOKEN_VARIABLE, "GITEA_TOKEN", "FORGEJO_TOKEN", "GITHUB_TOKEN"),
}
_API_URLS = {Kind.GITHUB: "https://api.github.com", Kind.GITLAB: "https://gitlab.com/api/v4"}
_REPO = re.compile(r"\w[\w.-]*(/\w[\w.-]*)+")
_PULL_REF = re.compile(r"refs/pull/(\d+)/(?:merge|head)")


@dataclass(frozen=True)
class Place:
    """Where to write. `number` is None where the environment tells `branch` (owner, name) at most.

    `author`: the login that the token writes under; empty = ask the forge.
    """

    kind: Kind
    api_url: str
    repo: str
    number: int | None
    branch: tuple[str, str] | None
    token: str = field(repr=False)
    token_source: str
    author: str = ""

    @classmethod
    def find(
        cls,
        environment: Mapping[str, str],
        *,
        kind: Kind | None = None,
        repo: str = "",
        number: int | None = None,
        api_url: str = "",
        author: str = "",
    ) -> "Place":
        """What the caller leaves out is read from GITHUB_*, CI_* and the event's file. Raises ForgeError naming what is missing."""
        kind = kind or _kind(environment)
        api_url = api_url or _api_url(kind, environment)
        repo = repo or _repo(kind, environment)
        if not _REPO.fullmatch(repo):
            raise ForgeError(
                f"the repository is {repo!r}" if repo else "no repository is named",
                wanted="owner/name",
                fix="give it with --repo",
            )
        source = next((name for name in _TOKENS[kind] if environment.get(name)), "")
        if not source:
            raise ForgeError(
                f"there is no token for {kind}",
                wanted=f"one in {' or '.join(_TOKENS[kind])}",
                fix="in a workflow: `env: GITHUB_TOKEN: ${{ github.token }}`; elsewhere make one that may write comments",
            )
        event = _event(environment) if kind != Kind.GITLAB else {}
        if number is None:
            number = _number(environment, event)
        token = environment[source].strip()
        branch = None if number is not None else _branch(event)
        return cls(kind, api_url.rstrip("/"), repo, number, branch, token, source, author)


def open_forge(
    place: Place, say: Callable[[str], None] = lambda text: None, clock: Clock | None = None
) -> Forge:
    """`say` is told of every wait."""
    if not place.token.isascii() or not place.token.isprintable():
        raise ForgeError(f"{place.token_source} holds what no token has in it", fix="copy the token again")
    clock = clock or Clock()

    def api(name: str, header: str, value: str) -> Api:
        return Api(name, place.api_url, (header, value), place.token, place.token_source, say, clock)

    if place.kind == Kind.GITLAB:
        return GitLab(api(GitLab.name, "PRIVATE-TOKEN", place.token), place.repo, place.author)
    if place.kind == Kind.GITEA:
        return Gitea(api(Gitea.name, "Authorization", f"token {place.token}"), place.repo, place.author)
    return GitHub(api(GitHub.name, "Authorization", f"Bearer {place.token}"), place.repo, place.author)


def _kind(environment: Mapping[str, str]) -> Kind:
    if environment.get("GITEA_ACTIONS") or environment.get("FORGEJO_ACTIONS"):
        return Kind.GITEA
    if environment.get("GITLAB_CI"):
        return Kind.GITLAB
    if environment.get("GITHUB_ACTIONS"):
        return Kind.GITHUB
    raise ForgeError(
        "no CI job of a known forge runs here",
        wanted=f"one of {', '.join(Kind)}",
        fix="give --forge, --repo and --pr",
    )


def _api_url(kind: Kind, environment: Mapping[str, str]) -> str:
    found = environment.get("CI_API_V4_URL" if kind == Kind.GITLAB else "GITHUB_API_URL") or _API_URLS.get(
        kind, ""
    )
    if not found:
        raise ForgeError(
            "no address of a Gitea is known", wanted="https://<host>/api/v1", fix="give it with --api-url"
        )
    return found


def _repo(kind: Kind, environment: Mapping[str, str]) -> str:
    if kind == Kind.GITLAB:
        # A merge request's pipeline may run in the fork; the comment belongs to the target.
        return environment.get("CI_MERGE_REQUEST_PROJECT_PATH") or environment.get("CI_PROJECT_PATH", "")
    return environment.get("GITHUB_REPOSITORY", "")


def _number(environment: Mapping[str, str], event: Mapping[str, Any]) -> int | None:
    told = environment.get("CI_MERGE_REQUEST_IID", "")
    if told.isdigit():
        return int(told)
    if found := _PULL_REF.fullmatch(environment.get("GITHUB_REF", "")):
        return int(found[1])
    number = (event.get("pull_request") or {}).get("number")
    return number if isinstance(number, int) else None


def _branch(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """Of the run that a `workflow_run` follows: from a fork, its event names no pull request."""
    run = event.get("workflow_run") or {}
    owner = ((run.get("head_repository") or {}).get("owner") or {}).get("login")
    branch = run.get("head_branch")
    return (str(owner), str(branch)) if owner and branch else None


def _event(environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError):
        return {}
    return event if isinstance(event, dict) else {}
