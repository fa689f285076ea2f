"""Texts of somebody else, made harmless for Markdown, for a fence and for a terminal."""

import re
from collections.abc import Iterable

_LONGEST = 600
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SPECIAL = {ord(sign): f"&#{ord(sign)};" for sign in "|`*[]\\~"}
_SPECIAL |= {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_SPECIAL |= {ord("@"): "@&#8203;", ord("#"): "#&#8203;", ord("!"): "!&#8203;"}
_EDGE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:/,+%()=-]*")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/\-]*")
_SPAN = re.compile(r"&#96;([A-Za-z0-9][A-Za-z0-9_ .:/,=-]*)&#96;")


def clean(text: str) -> str:
    """Without what cannot be seen: control signs, marks that turn the direction of writing, joiners of no width."""
    return _UNSEEN.sub("\ufffd", text)


def one_line(text: str, longest: int = _LONGEST) -> str:
    text = clean(" ".join(text.split()))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def markdown(text: str, longest: int = _LONGEST) -> str:
    """One line that shows as it is: no markup, HTML, table, link, mention or reference comes of it. A few words between
    backticks stay code."""
    text = one_line(text, longest)
    if "@" not in text and "://" not in text and "www." not in text and _PLAIN.fullmatch(text):
        return _EDGE.sub("&#95;", text)
    text = _EDGE.sub("\x00", text.translate(_SPECIAL)).replace("\x00", "&#95;")
    text = text.replace("://", ":&#8203;//").replace("www.", "www&#8203;.")
    return _SPAN.sub(r"`\1`", text)


def code(name: str, longest: int = 200) -> str:
    """A name in the face of code. Forges look for no mention in it, and it is made harmless all the same."""
    if _WORD.fullmatch(name) and len(name) <= longest:
        return f"`{name}`"
    return f"<code>{markdown(name, longest)}</code>"


def fence(lines: Iterable[str]) -> str:
    """Backticks of a fence that is longer than any run of them in `lines`."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    return "`" * max(3, longest + 1)


def fenced(text: str) -> str:
    """One line of a fence. Nothing in a fence is markup, and a mention is broken all the same."""
    return clean(" ".join(text.split("\n"))).replace("@", "@\u200b")


def terminal(text: str) -> str:
    """Without escape sequences; line ends are kept."""
    return "\n".join(clean(line) for line in text.split("\n"))
