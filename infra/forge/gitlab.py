"""GitLab's API v4: docs.gitlab.com/api (notes, merge requests, issues). A pull request is a merge request here, by its `iid`."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from infra.forge.api import Api
from infra.forge.model import Comment, Pull

_PAGE = {"per_page": "100"}
_OLDEST_FIRST = {"sort": "asc", "order_by": "created_at"}


class GitLab:
    name = "GitLab"

    def __init__(self, api: Api, repo: str, known_author: str = "") -> None:
        self._api = api
        self._project = f"/projects/{quote(repo, safe='')}"
        self._author = known_author

    def author(self) -> str:
        if not self._author:
            self._author = str(self._api.get("/user", "ask whose token this is")["username"])
        return self._author

    def pull(self, number: int) -> Pull:
        doing = f"read merge request {number}"
        return self._pull(self._api.get(f"{self._project}/merge_requests/{number}", doing), doing)

    def pull_of_branch(self, owner: str, branch: str) -> Pull | None:
        """`owner` is not told by GitLab's list: the branch alone decides."""
        doing = f"look for the merge request of {branch}"
        wanted = {"state": "opened", "source_branch": branch, **_PAGE}
        found = list(self._api.pages(f"{self._project}/merge_requests", doing, wanted))
        return self._pull(found[0], doing) if found else None

    def pull_of_commit(self, sha: str) -> Pull | None:
        doing = f"look for the merge request that made {sha[:10]}"
        path = f"{self._project}/repository/commits/{sha}/merge_requests"
        merged = [item for item in self._api.pages(path, doing, _PAGE) if item.get("state") == "merged"]
        return self._pull(merged[0], doing) if merged else None

    def comments(self, number: int) -> Iterator[Comment]:
        doing = f"read the notes of merge request {number}"
        for item in self._api.pages(self._notes(number), doing, _PAGE | _OLDEST_FIRST):
            if not item.get("system"):
                yield self._comment(item, number, doing)

    def create(self, number: int, body: str) -> Comment:
        doing = f"comment on merge request {number}"
        return self._comment(
            self._api.send("POST", self._notes(number), doing, {"body": body}), number, doing
        )

    def update(self, number: int, comment: int, body: str) -> Comment:
        doing = f"update note {comment} of merge request {number}"
        sent = self._api.send("PUT", f"{self._notes(number)}/{comment}", doing, {"body": body})
        return self._comment(sent, number, doing)

    def issues(self, author: str) -> Iterator[Comment]:
        doing = f"read the issues of {author}"
        wanted = {"state": "opened", "author_username": author, **_PAGE, **_OLDEST_FIRST}
        for item in self._api.pages(f"{self._project}/issues", doing, wanted):
            yield self._issue(item, doing)

    def create_issue(self, title: str, body: str) -> Comment:
        doing = "open an issue"
        sent = self._api.send("POST", f"{self._project}/issues", doing, {"title": title, "description": body})
        return self._issue(sent, doing)

    def update_issue(self, number: int, body: str) -> Comment:
        doing = f"update issue {number}"
        sent = self._api.send("PUT", f"{self._project}/issues/{number}", doing, {"description": body})
        return self._issue(sent, doing)

    def close_issue(self, number: int) -> None:
        path = f"{self._project}/issues/{number}"
        self._api.send("PUT", path, f"close issue {number}", {"state_event": "close"})

    def _notes(self, number: int) -> str:
        return f"{self._project}/merge_requests/{number}/notes"

    def _pull(self, item: Any, doing: str) -> Pull:
        def build() -> Pull:
            fork = item["source_project_id"] != item["target_project_id"]
            return Pull(int(item["iid"]), str(item["sha"]), fork, str(item["web_url"]))

        return self._api.shaped(doing, build)  # type: ignore[no-any-return]

    def _comment(self, item: Any, number: int, doing: str) -> Comment:
        def build() -> Comment:
            # A note has no address of its own in the answer.
            where = f"!{number} note {item['id']}"
            return Comment(int(item["id"]), str(item["author"]["username"]), item["body"] or "", where)

        return self._api.shaped(doing, build)  # type: ignore[no-any-return]

    def _issue(self, item: Any, doing: str) -> Comment:
        def build() -> Comment:
            author = str(item["author"]["username"])
            return Comment(int(item["iid"]), author, item["description"] or "", str(item["web_url"]))

        return self._api.shaped(doing, build)  # type: ignore[no-any-return]
