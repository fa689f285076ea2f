"""One comment per stack, kept up to date: written once for each digest, never over a newer head, never over someone else's."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from infra.forge.errors import EffectUnknown, ForgeError
from infra.forge.model import Comment, Forge, Pull
from infra.report.marker import NO_HEAD, Marker

_CREATIONS = 3


class Action(StrEnum):
    """What became of a report."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    CLOSED = "closed"


@dataclass(frozen=True)
class Outcome:
    action: Action
    where: str


def publish(forge: Forge, number: int, bodies: Iterable[str], say: Callable[[str], None]) -> list[Outcome]:
    """Post each body (its first line is its marker) on a pull request; one outcome for each. The list is read once."""
    wanted = [(_marker(body), body) for body in bodies]
    pull = forge.pull(number)
    current = [marker for marker, _ in wanted if not _is_stale(marker, pull)]
    found = _find(forge, number, current, say) if current else {}
    return [
        _post(forge, pull, marker, body, found.get(_key(marker)), say)
        if marker in current
        else Outcome(
            Action.SUPERSEDED, f"{pull.url}: its head is {pull.head[:10]} by now, not {marker.head[:10]}"
        )
        for marker, body in wanted
    ]


def reviewed(forge: Forge, pull: Pull, wanted: Iterable[Marker], say: Callable[[str], None]) -> list[str]:
    """Why what is about to be done is not what the merged pull request's comments showed; empty = it is."""
    wanted = list(wanted)
    if pull.fork:
        return [f"{pull.url} came from a fork, whose own code wrote its preview: that vouches for nothing"]
    found = _find(forge, pull.number, wanted, say)
    reasons = []
    for marker in wanted:
        comment = found.get(_key(marker))
        seen = None if comment is None else Marker.parse(comment.body)
        if seen is None:
            reasons.append(f"{marker.stack}: no preview of it was posted on {pull.url}")
        elif not _same_digest(seen.digest, marker.digest):
            reasons.append(
                f"{marker.stack}: reviewed was digest {seen.digest[:12]}, and now it would be {marker.digest[:12]}"
            )
    return reasons


def publish_issue(forge: Forge, title: str, body: str, say: Callable[[str], None]) -> Outcome:
    """Open an issue, or bring the open one with the same marker up to date. Nothing is written when its digest is the same."""
    marker = _marker(body)

    def existing() -> Comment | None:
        return _first(forge.issues(forge.author()), [marker], forge.author(), say).get(_key(marker))

    issue = existing()
    if issue is None:
        issue = _create(lambda: forge.create_issue(title, body), existing)
        return Outcome(Action.CREATED, issue.url)
    if _digest(issue) == marker.digest:
        return Outcome(Action.UNCHANGED, issue.url)
    return Outcome(Action.UPDATED, forge.update_issue(issue.id, body).url)


def close_issue(forge: Forge, marker: Marker, say: Callable[[str], None]) -> Outcome | None:
    """Close the open issue of this stack, if there is one."""
    issue = _first(forge.issues(forge.author()), [marker], forge.author(), say).get(_key(marker))
    if issue is None:
        return None
    forge.close_issue(issue.id)
    return Outcome(Action.CLOSED, issue.url)


def _post(
    forge: Forge, pull: Pull, marker: Marker, body: str, existing: Comment | None, say: Callable[[str], None]
) -> Outcome:
    if existing is None:
        created = _create(
            lambda: forge.create(pull.number, body),
            lambda: _find(forge, pull.number, [marker], say).get(_key(marker)),
        )
        return Outcome(Action.CREATED, created.url)
    seen = Marker.parse(existing.body)
    if seen is not None and _same_digest(seen.digest, marker.digest):
        return Outcome(Action.UNCHANGED, existing.url)
    if seen is not None and marker.head == NO_HEAD and _same_head(seen.head, pull.head):
        return Outcome(
            Action.SUPERSEDED, f"{existing.url}: it is of the head, and this report names no commit"
        )
    return Outcome(Action.UPDATED, forge.update(pull.number, existing.id, body).url)


def _create(create: Callable[[], Comment], look: Callable[[], Comment | None]) -> Comment:
    """A creation whose answer was lost may have happened: look before doing it again."""
    for attempt in range(1, _CREATIONS + 1):
        try:
            return create()
        except EffectUnknown:
            if (made := look()) is not None:
                return made
            if attempt == _CREATIONS:
                raise
    raise AssertionError("unreachable")


def _find(
    forge: Forge, number: int, markers: Iterable[Marker], say: Callable[[str], None]
) -> dict[tuple[str, str], Comment]:
    return _first(forge.comments(number), markers, forge.author(), say)


def _first(
    comments: Iterable[Comment], markers: Iterable[Marker], author: str, say: Callable[[str], None]
) -> dict[tuple[str, str], Comment]:
    """The first comment of each marker that this author wrote. Stops as soon as all are found."""
    missing = {_key(marker) for marker in markers}
    found: dict[tuple[str, str], Comment] = {}
    for comment in comments:
        seen = Marker.parse(comment.body)
        if seen is None or _key(seen) not in missing:
            continue
        if comment.author.casefold() != author.casefold():
            say(
                f"a comment of {comment.author or 'a deleted account'} carries the marker of {seen.stack}: it is left alone"
            )
            continue
        found[_key(seen)] = comment
        missing.discard(_key(seen))
        if not missing:
            break
    return found


def _marker(body: str) -> Marker:
    marker = Marker.parse(body)
    if marker is None:
        raise ForgeError(
            f"the text begins with {body[:40]!r}",
            wanted="a first line `<!-- pilotlight:<project>/<stack> digest=… head=… -->`",
            fix="write it with `pilotlight preview --format markdown -o FILE`",
        )
    return marker


def _is_stale(marker: Marker, pull: Pull) -> bool:
    return marker.head != NO_HEAD and not _same_head(marker.head, pull.head)


def _same_head(one: str, other: str) -> bool:
    return bool(one and other) and (one.startswith(other) or other.startswith(one))


def _same_digest(one: str, other: str) -> bool:
    """Noughts stand for a report without a digest, which agrees with nothing."""
    return one == other and one.strip("0") != ""


def _digest(comment: Comment) -> str:
    seen = Marker.parse(comment.body)
    return "" if seen is None else seen.digest


def _key(marker: Marker) -> tuple[str, str]:
    return marker.project, marker.stack
