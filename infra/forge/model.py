"""What every forge has, in the few words that are needed here."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """The protocols. Forgejo speaks Gitea's."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


@dataclass(frozen=True)
class Comment:
    """A comment of a pull request (`id` is the comment's own), or an issue (`id` is its number)."""

    id: int
    author: str
    body: str
    url: str


@dataclass(frozen=True)
class Pull:
    """A pull or merge request. `head`: the commit it proposes now; `fork`: that commit is in another repository."""

    number: int
    head: str
    fork: bool
    url: str


class Forge(Protocol):
    """One repository on one forge. Every method raises ForgeError; the iterators walk over all pages, oldest first."""

    name: str

    def author(self) -> str:
        """The login under which the token writes."""

    def pull(self, number: int) -> Pull: ...

    def pull_of_branch(self, owner: str, branch: str) -> Pull | None:
        """The open pull request of a branch of `owner`'s copy of the repository."""

    def pull_of_commit(self, sha: str) -> Pull | None:
        """The pull request whose merge made this commit."""

    def comments(self, number: int) -> Iterator[Comment]: ...

    def create(self, number: int, body: str) -> Comment:
        """Raises EffectUnknown when the answer was lost: the comment may exist."""

    def update(self, number: int, comment: int, body: str) -> Comment: ...

    def issues(self, author: str) -> Iterator[Comment]:
        """The open issues of one author."""

    def create_issue(self, title: str, body: str) -> Comment:
        """Raises EffectUnknown when the answer was lost: the issue may exist."""

    def update_issue(self, number: int, body: str) -> Comment: ...

    def close_issue(self, number: int) -> None: ...
