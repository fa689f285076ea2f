"""Parts of a text cut to a budget by what they are worth, and only between whole rows: a fence or a table stays one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_REMARK = 120


@dataclass(frozen=True)
class Part:
    """`head`, then as many `rows` as there is room for, then `more(how many are left out)` if any, then `tail`.

    `share` (0..1) is the most of the room that it takes while others wait. Rows are in the order of their worth.
    """

    title: str
    head: str
    rows: Sequence[str]
    tail: str = ""
    share: float = 1.0
    more: Callable[[int], str] = lambda count: f"… and {count} more\n"

    def text(self, shown: int) -> str:
        left = len(self.rows) - shown
        return "".join([self.head, *self.rows[:shown], self.more(left) if left else "", self.tail])


def size(text: str) -> int:
    """Bytes of UTF-8: never less than the characters that a forge counts."""
    return len(text.encode())


def fit(parts: Sequence[Part], limit: int) -> tuple[dict[str, str], list[str]]:
    """(texts of the parts that have room, by title; titles of those that have none), for parts in the order of their worth."""
    shown = [0] * len(parts)
    opened = [False] * len(parts)
    left = limit
    for last_round in (False, True):
        for index, part in enumerate(parts):
            if not part.rows:
                continue
            room = left if last_round else min(left, int(limit * part.share))
            fixed = 0 if opened[index] else size(part.head) + size(part.tail) + _REMARK
            used = fixed
            count = shown[index]
            while count < len(part.rows) and used + size(part.rows[count]) <= room:
                used += size(part.rows[count])
                count += 1
            if count > shown[index]:
                left -= used
                opened[index], shown[index] = True, count
    texts = {part.title: part.text(count) for part, count in zip(parts, shown, strict=True) if count}
    dropped = [part.title for part, count in zip(parts, shown, strict=True) if part.rows and not count]
    return texts, dropped
