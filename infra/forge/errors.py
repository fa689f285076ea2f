"""What can go wrong on a forge, and the one place that turns a refusal into words.

401 Unauthorized · 403 Forbidden · 404 (and a moved repository) NotFound · 413, 422 and GitLab's 400 TooLong or ForgeError ·
429 and GitHub's 403 without quota RateLimited · 5xx and no answer Unavailable, or EffectUnknown for what must not be sent twice.
"""

import re
from typing import Any

from infra.spec.errors import PilotlightError

_TOO_LONG = re.compile(r"too[ _]long|too[ _]large|maximum is", re.IGNORECASE)
_LONGEST_QUOTE = 300


class ForgeError(PilotlightError):
    """A forge refused, or did not answer."""


class Unauthorized(ForgeError):
    """The token is not accepted at all."""


class Forbidden(ForgeError):
    """The token may not do this."""


class NotFound(ForgeError):
    """No such repository or pull request, or this token may not know of it."""


class TooLong(ForgeError):
    """The body is longer than the forge takes."""


class RateLimited(ForgeError):
    """The forge asks to wait for longer than there is time."""


class Unavailable(ForgeError):
    """No answer, or a 5xx, again and again."""


class EffectUnknown(ForgeError):
    """The answer to a creation was lost: look before sending it again."""


def refusal(status: int, said: str, doing: str, *, forge: str, token_source: str, size: int) -> ForgeError:
    """The error for a 3xx or 4xx. `said`: the forge's own words, without secrets; `size`: characters that were sent."""
    what = f"{forge} refuses to {doing} ({status}{': ' + said if said else ''})"
    if status == 401:
        return Unauthorized(what, fix=f"{token_source} holds no valid token of this forge: renew it")
    if status == 403:
        return Forbidden(what, fix=f"the token in {token_source} needs more: {_NEEDS[forge]}")
    if status in (301, 302, 307, 308):
        return NotFound(
            f"{forge} has moved what was wanted to {doing} ({status})", fix="give its new name with --repo"
        )
    if status in (404, 410):
        fix = f"check --repo and --pr, and that the token in {token_source} may read the repository"
        return NotFound(what, fix=fix)
    if status == 413 or (status in (400, 422) and _TOO_LONG.search(said)):
        return TooLong(
            f"{forge} finds a body of {size} characters too long to {doing} ({status}: {said})",
            fix="write it with `pilotlight preview --format markdown`, which keeps to the limit, and link to the whole",
        )
    return ForgeError(what, fix="nothing was written; see the forge's message")


def words(payload: Any) -> str:
    """What a forge says in an error's body: `message`, `error` and `errors` in the shapes that the three of them use."""
    if not isinstance(payload, dict):
        return (
            " ".join(str(payload or "").split())[:_LONGEST_QUOTE] if not _is_page(payload) else "a web page"
        )
    found = [payload[key] for key in ("message", "error", "errors") if payload.get(key)]
    return "; ".join(dict.fromkeys(_flat(item) for item in found))[:_LONGEST_QUOTE]


_NEEDS = {
    "GitHub": "`permissions: pull-requests: write` (and `issues: write` for issues); a workflow of a fork's pull request never "
    "has it, so post from `workflow_run`",
    "GitLab": "a project access token of scope `api` and role Reporter or more; a job token cannot write comments",
    "Gitea": "the scopes `write:issue` and `read:repository`",
}


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        named = [str(value[key]) for key in ("field", "code", "message") if value.get(key)]
        return " ".join(named) if named else ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_flat(item) for item in value)
    return " ".join(str(value).split())


def _is_page(payload: Any) -> bool:
    return isinstance(payload, str) and payload.lstrip()[:1] == "<"
