"""Gitea's and Forgejo's API v1: the shapes of GitHub's with other filters (docs.gitea.com/api, swagger.v1.json)."""

from collections.abc import Iterator
from typing import Any

from infra.forge.errors import NotFound
from infra.forge.github import GitHub
from infra.forge.model import Pull


class Gitea(GitHub):
    name = "Gitea"
    # The server's own maximum unless [api] MAX_RESPONSE_ITEMS says otherwise.
    page_size = {"limit": "50"}
    job_author = "gitea-actions"

    def pull_of_branch(self, owner: str, branch: str) -> Pull | None:
        doing = f"look for the pull request of {owner}:{branch}"
        for item in self._open_pulls(doing):
            head = item.get("head") or {}
            source = ((head.get("repo") or {}).get("owner") or {}).get("login")
            if head.get("ref") == branch and source == owner:
                return self._pull(item, doing)
        return None

    def pull_of_commit(self, sha: str) -> Pull | None:
        doing = f"look for the pull request that made {sha[:10]}"
        try:
            item = self._api.get(f"{self._repo}/commits/{sha}/pull", doing)
        except NotFound:
            return None
        return self._pull(item, doing) if item.get("merged") else None

    def _open_pulls(self, doing: str) -> Iterator[Any]:
        return self._api.pages(f"{self._repo}/pulls", doing, {"state": "open", **self.page_size})

    def _by(self, author: str) -> dict[str, str]:
        return {"type": "issues", "created_by": author}
