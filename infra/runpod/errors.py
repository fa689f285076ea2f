"""RunPod's refusals as errors that say what to do. One table maps HTTP statuses to them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from infra.spec.errors import PilotlightError

API_KEY_VARIABLE = "RUNPOD_API_KEY"
_SET_THE_KEY = (
    f"set {API_KEY_VARIABLE} in the environment, or run "
    "`pulumi config set --secret pilotlight-runpod:apiKey <key>`"
)


class RunPodError(PilotlightError):
    """RunPod said no. `status`, `title`, `detail` and `errors` are those of its problem+json answer."""

    def __init__(
        self,
        what: str,
        *,
        status: int = 0,
        title: str = "",
        detail: str = "",
        errors: Iterable[str] = (),
        fix: str = "",
    ) -> None:
        super().__init__(what, fix=fix)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)


class NoApiKey(PilotlightError):
    """There is no credential at all."""

    def __init__(self) -> None:
        super().__init__("no RunPod API key is configured", fix=_SET_THE_KEY)


class Unauthorized(RunPodError):
    """401: the API key is wrong, revoked, or of another account."""


class Forbidden(RunPodError):
    """403: the key is right but may not do this."""


class Missing(RunPodError):
    """404: there is no such object (any more)."""


class Conflict(RunPodError):
    """409: the object is in a state that does not allow this."""


class Rejected(RunPodError):
    """400 or 422: RunPod does not accept the request as it stands; nothing was changed."""


class Retired(RunPodError):
    """410: this API has been shut down."""


class RateLimited(RunPodError):
    """429 that outlasts the time that the operation has."""


class Unavailable(RunPodError):
    """RunPod cannot be reached, or answers with a server error, after all retries."""


class EffectUnknown(RunPodError):
    """A create was sent and no answer came: it may or may not have been done. Look before sending it again."""


_IN_BODY = re.compile(r"^\$\.([\w.\[\]]+): ")
_LACKING = re.compile(r"^\$: (?:missing propert(?:y|ies)|additional properties|properties) '(\w+)'")
_LEADING = re.compile(r"^([a-z][\w.\[\]]*): ")


@contextmanager
def at_property(names: Mapping[str, str], words: Mapping[str, str] | None = None) -> Iterator[None]:
    """What RunPod refuses inside, with the property that it is about in front of it.

    `names`: RunPod's name of a property -> ours, a dotted name for all below it. `words`: a word that only a refusal of that property
    has -> the property, for RunPod's prose.
    """
    try:
        yield
    except (Rejected, Missing, Conflict) as error:
        place = _place(error, names, words or {})
        if place:
            error.what = f"{place}: {error.what}"
        raise


def _place(error: RunPodError, names: Mapping[str, str], words: Mapping[str, str]) -> str:
    for text in (*error.errors, error.detail):
        found = _IN_BODY.match(text) or _LACKING.match(text)
        leading = _LEADING.match(text)
        if found is None and leading and re.split(r"[.\[]", leading[1])[0] in names:
            found = leading
        if found:
            return _ours(found[1], names)
    said = " ".join((error.detail, *error.errors)).lower()
    return next((name for word, name in words.items() if word.lower() in said), "")


def _ours(path: str, names: Mapping[str, str]) -> str:
    """RunPod's path in our names: `timeout` -> timeoutMs, `gpu.pools[0]` -> gpu.pools[0]. A dotted name stands for all below."""
    for name in (name for name in names if "." in name):
        if path == name or path.startswith((f"{name}.", f"{name}[")):
            return names[name]
    head = re.split(r"[.\[]", path)[0]
    return names.get(head, head) + path[len(head) :]


_CLASSES: Mapping[int, type[RunPodError]] = {
    400: Rejected,
    401: Unauthorized,
    403: Forbidden,
    404: Missing,
    409: Conflict,
    410: Retired,
    422: Rejected,
    429: RateLimited,
}

_FIXES: Mapping[type[RunPodError], str] = {
    Unauthorized: f"the key came from %s; {_SET_THE_KEY}",
    Forbidden: "give the API key read and write access to this kind of object (RunPod console, Settings, API Keys)",
    Retired: "point baseUrl (RUNPOD_API_BASE_URL) at REST v2, https://api.runpod.io",
}


def from_answer(status: int, body: Any, doing: str, key_source: str) -> RunPodError:
    """The error for an HTTP status of 400 or more. `body` is the parsed problem+json, or any other JSON, or text."""
    problem = body if isinstance(body, Mapping) else {}
    title = str(problem.get("title") or "")
    detail = str(problem.get("detail") or problem.get("error") or problem.get("message") or "")
    if not problem and isinstance(body, str):
        detail = body.strip()[:200]
    raw = problem.get("errors")
    errors = [_text(entry) for entry in raw] if isinstance(raw, list) else []
    kind = _CLASSES.get(status) or (Unavailable if status >= 500 else RunPodError)
    said = "; ".join(filter(None, [detail or title, *errors])) or "no explanation"
    what = f"RunPod refused to {doing} ({status}): {said}"
    if kind is Unauthorized:
        what = f"RunPod does not accept the API key (401 while trying to {doing}): {said}"
    if kind is Unavailable:
        what = f"RunPod failed to {doing} ({status}): {said}"
    fix = _FIXES.get(kind, "").replace("%s", key_source)
    return kind(what, status=status, title=title, detail=detail, errors=errors, fix=fix)


def _text(entry: Any) -> str:
    """REST's errors are texts, GraphQL's are objects with a message."""
    return str(entry.get("message") or entry) if isinstance(entry, Mapping) else str(entry)
