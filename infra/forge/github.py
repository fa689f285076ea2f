"""GitHub's REST API, version 2022-11-28: docs.github.com/rest (issues, issue comments, pulls). Also of GitHub Enterprise."""

from collections.abc import Iterator
from typing import Any

from infra.forge.api import Api
from infra.forge.errors import Forbidden, NotFound
from infra.forge.model import Comment, Pull


class GitHub:
    """`known_author`: who writes with the token, where the caller knows (apps: `<name>[bot]`)."""

    name = "GitHub"
    page_size = {"per_page": "100"}
    # What writes with the token that a job gets, and which may not ask who it is.
    job_author = "github-actions[bot]"

    def __init__(self, api: Api, repo: str, known_author: str = "") -> None:
        self._api = api
        self._repo = f"/repos/{repo}"
        self._author = known_author

    def author(self) -> str:
        if not self._author:
            try:
                self._author = str(self._api.get("/user", "ask whose token this is")["login"])
            except (Forbidden, NotFound):
                self._author = self.job_author
        return self._author

    def pull(self, number: int) -> Pull:
        doing = f"read pull request {number}"
        return self._pull(self._api.get(f"{self._repo}/pulls/{number}", doing), doing)

    def pull_of_branch(self, owner: str, branch: str) -> Pull | None:
        doing = f"look for the pull request of {owner}:{branch}"
        wanted = {"state": "open", "head": f"{owner}:{branch}", **self.page_size}
        found = list(self._api.pages(f"{self._repo}/pulls", doing, wanted))
        return self._pull(found[0], doing) if found else None

    def pull_of_commit(self, sha: str) -> Pull | None:
        doing = f"look for the pull request that made {sha[:10]}"
        found = list(self._api.pages(f"{self._repo}/commits/{sha}/pulls", doing, self.page_size))
        merged = [item for item in found if item.get("merged_at")]
        return self._pull(merged[0], doing) if merged else None

    def comments(self, number: int) -> Iterator[Comment]:
        doing = f"read the comments of pull request {number}"
        for item in self._api.pages(f"{self._repo}/issues/{number}/comments", doing, self.page_size):
            yield self._comment(item, doing)

    def create(self, number: int, body: str) -> Comment:
        doing = f"comment on pull request {number}"
        sent = self._api.send("POST", f"{self._repo}/issues/{number}/comments", doing, {"body": body})
        return self._comment(sent, doing)

    def update(self, number: int, comment: int, body: str) -> Comment:
        doing = f"update comment {comment} of pull request {number}"
        sent = self._api.send("PATCH", f"{self._repo}/issues/comments/{comment}", doing, {"body": body})
        return self._comment(sent, doing)

    def issues(self, author: str) -> Iterator[Comment]:
        doing = f"read the issues of {author}"
        wanted = {"state": "open", "sort": "created", "direction": "asc", **self.page_size}
        for item in self._api.pages(f"{self._repo}/issues", doing, wanted | self._by(author)):
            if not item.get("pull_request"):
                yield self._issue(item, doing)

    def create_issue(self, title: str, body: str) -> Comment:
        doing = "open an issue"
        sent = self._api.send("POST", f"{self._repo}/issues", doing, {"title": title, "body": body})
        return self._issue(sent, doing)

    def update_issue(self, number: int, body: str) -> Comment:
        doing = f"update issue {number}"
        return self._issue(
            self._api.send("PATCH", f"{self._repo}/issues/{number}", doing, {"body": body}), doing
        )

    def close_issue(self, number: int) -> None:
        self._api.send("PATCH", f"{self._repo}/issues/{number}", f"close issue {number}", {"state": "closed"})

    def _by(self, author: str) -> dict[str, str]:
        # Under which name the list knows an app is not told: all are read then, and told apart by their author.
        return {} if author.endswith("[bot]") else {"creator": author}

    def _pull(self, item: Any, doing: str) -> Pull:
        def build() -> Pull:
            head, base = item["head"], item["base"]
            # A fork that is gone has no repository.
            source = (head.get("repo") or {}).get("full_name")
            fork = source != base["repo"]["full_name"]
            return Pull(int(item["number"]), str(head["sha"]), fork, str(item["html_url"]))

        return self._api.shaped(doing, build)  # type: ignore[no-any-return]

    def _comment(self, item: Any, doing: str) -> Comment:
        return self._api.shaped(  # type: ignore[no-any-return]
            doing,
            lambda: Comment(int(item["id"]), _login(item), item.get("body") or "", str(item["html_url"])),
        )

    def _issue(self, item: Any, doing: str) -> Comment:
        return self._api.shaped(  # type: ignore[no-any-return]
            doing,
            lambda: Comment(int(item["number"]), _login(item), item.get("body") or "", str(item["html_url"])),
        )


def _login(item: Any) -> str:
    # A deleted account leaves its comments behind without a user.
    return str((item.get("user") or {}).get("login", ""))
