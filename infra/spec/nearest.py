"""Which of the known names somebody may have meant."""

import difflib
from collections.abc import Iterable


def nearest(value: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` of `names` close to `value`, closest first; case, dashes and spaces do not count."""
    wanted = _plain(value)
    scored = []
    for name in names:
        plain = _plain(name)
        score = difflib.SequenceMatcher(None, wanted, plain).ratio()
        if wanted and plain.startswith(wanted):
            score = max(score, 0.9)
        if score >= 0.55:
            scored.append((-score, len(plain), name))
    return [name for _, _, name in sorted(scored)[:count]]


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())
