"""Modal's refusals as errors that say what to do. One table maps the client's exceptions to them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from infra.spec.errors import PilotlightError

TOKEN_ID_VARIABLE = "MODAL_TOKEN_ID"
TOKEN_SECRET_VARIABLE = "MODAL_TOKEN_SECRET"
_SET_THE_TOKEN = (
    f"set {TOKEN_ID_VARIABLE} and {TOKEN_SECRET_VARIABLE} in the environment (`modal token new` makes a token), or "
    "run `pulumi config set pilotlight-modal:tokenId <id>` and "
    "`pulumi config set --secret pilotlight-modal:tokenSecret <secret>`"
)
_SHORTEST_SECRET = 4


class ModalError(PilotlightError):
    """Modal said no."""


class NoToken(PilotlightError):
    """There is no credential at all."""

    def __init__(self) -> None:
        super().__init__("no Modal token is configured", fix=_SET_THE_TOKEN)


class Unauthorized(ModalError):
    """The token is wrong, revoked, or of another workspace."""


class Forbidden(ModalError):
    """The token is right but may not do this."""


class Missing(ModalError):
    """There is no such object (any more)."""


class Exists(ModalError):
    """An object with that name is there already."""


class Conflict(ModalError):
    """The object is in a state that does not allow this, or someone else is changing it."""


class Rejected(ModalError):
    """Modal does not accept the request as it stands."""


class Throttled(ModalError):
    """A limit of the workspace, or too many requests."""


class Unavailable(ModalError):
    """Modal cannot be reached, or fails, after the client's own retries."""


class BuildFailed(ModalError):
    """An image could not be built. `image_id` is where its log is."""

    image_id: str = ""


_KINDS: Mapping[str, type[ModalError]] = {
    "AuthError": Unauthorized,
    "PermissionDeniedError": Forbidden,
    "NotFoundError": Missing,
    "AlreadyExistsError": Exists,
    "ConflictError": Conflict,
    "InvalidError": Rejected,
    "VersionError": Rejected,
    "RequestSizeError": Rejected,
    "ModuleNotMountable": Rejected,
    "ResourceExhaustedError": Throttled,
    "ServiceError": Unavailable,
    "InternalError": Unavailable,
    "ConnectionError": Unavailable,
    "TimeoutError": Unavailable,
    "MountUploadTimeoutError": Unavailable,
    "ImageBuildError": BuildFailed,
}

_FIXES: Mapping[type[ModalError], str] = {
    Unauthorized: f"the token came from %s; {_SET_THE_TOKEN}",
    Forbidden: "give the token's user a role that may change this environment (Modal, Settings, Environments)",
    Conflict: "wait for the other deployment to end, then run `pulumi up` again",
    Throttled: "wait, or raise the workspace's limit (Modal, Settings, Usage and billing)",
    Unavailable: "is %u reachable from here? See https://status.modal.com, then run it again: nothing is lost",
    BuildFailed: "correct the image's packages and commands; the app's page in Modal has the whole build log",
}


def no_id(given: str, word: str, prefix: str, found: str | None) -> Missing:
    """Of an import by name: `found` is the id of what has that name, if anything has it."""
    fix = f"the {word} of that name has the id {found}: import that" if found else ""
    return Missing(f"{given!r} is no {word}'s id in Modal", wanted=f"one that begins with {prefix}", fix=fix)


@contextmanager
def translated(doing: str, *, source: str = "", url: str = "", secrets: Iterable[str] = ()) -> Iterator[None]:
    """What the client raises inside, as one of the errors above. Secrets are blanked out of its text."""
    try:
        yield
    except PilotlightError:
        raise
    except Exception as error:
        kind = _kind(error)
        if kind is None:
            raise
        text = _redacted(" ".join(str(error).split()) or type(error).__name__, secrets)
        what = f"Modal refused to {doing}: {text}"
        if kind is Unauthorized:
            what = f"Modal does not accept the token (while trying to {doing}): {text}"
        if kind is Unavailable:
            what = f"Modal failed to {doing}: {text}"
        fix = _FIXES.get(kind, "").replace("%s", source).replace("%u", url)
        failure = kind(what, fix=fix)
        if isinstance(failure, BuildFailed):
            failure.image_id = str(getattr(error, "image_id", ""))
        raise failure from error


def _kind(error: Exception) -> type[ModalError] | None:
    for cls in type(error).__mro__:
        if cls.__module__ == "modal.exception" and cls.__name__ in _KINDS:
            return _KINDS[cls.__name__]
    module = type(error).__module__
    return ModalError if module.startswith(("modal.", "grpclib.")) else None


def _redacted(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[secret]")
    return text
