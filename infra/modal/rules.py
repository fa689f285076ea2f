"""Modal's own rules for names, tags and paths, checked before anything is asked. Source: modal client 1.6.4, name_utils."""

import keyword
import os
import re
from collections.abc import Iterator
from typing import Any, TypeGuard, TypeVar

from infra.catalog import load
from infra.kit import UNKNOWN, Failure
from infra.spec.nearest import nearest

T = TypeVar("T")

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_APP_ID = re.compile(r"ap-[a-zA-Z0-9]{22}")
_ENVIRONMENT = re.compile(r"(?!en-)[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}", re.IGNORECASE)
_TAG = re.compile(r"[a-zA-Z0-9._-]{1,63}")
_LABEL = re.compile(r"(?![0-9]+$)(?!-)[a-z0-9-]{1,63}(?<!-)")
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE)
_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64}")
# Of Linux, for one string of an environment: MAX_ARG_STRLEN, 32 pages (include/uapi/linux/binfmts.h).
_LONGEST_VARIABLE = 131072
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

OUR_TAGS = "pilotlight."
"""Tags that begin so are the provider's own: the mark, and what was deployed."""

_TAKEN = frozenset({"app", "modal", "modal_entry", "os", "sys", "tempfile", "Path", "TEMPLATE"})
_NOT_FOR_MOUNTS = ("/", "/root", "/tmp")


def is_known(value: T | None) -> TypeGuard[T]:
    """Given, and not waiting for another resource."""
    return value is not None and value is not UNKNOWN


def known_items(values: Any) -> list[tuple[Any, Any]]:
    """The known items of a list (by place) or a map (by key), either of which may be unknown itself."""
    if isinstance(values, dict):
        return [(key, value) for key, value in values.items() if is_known(value)]
    return (
        [(i, value) for i, value in enumerate(values) if is_known(value)] if isinstance(values, list) else []
    )


def name(path: str, value: Any) -> Iterator[Failure]:
    """Of an app, volume, secret, dict, queue or file system."""
    if is_known(value) and not is_name(value):
        yield Failure(path, f"{value!r} is no name in Modal. Wanted: 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'")


def is_name(value: str) -> bool:
    return _NAME.fullmatch(value) is not None and _APP_ID.fullmatch(value) is None


def environment(path: str, value: Any) -> Iterator[Failure]:
    if is_known(value) and not _ENVIRONMENT.fullmatch(value):
        yield Failure(
            path,
            f"{value!r} is no environment's name. Wanted: 1 to 64 of a-z, A-Z, 0-9, '-', '_', beginning with a letter or "
            "digit, and not with en-",
        )


def tags(values: Any) -> Iterator[Failure]:
    for key, value in known_items(values):
        if key.startswith(OUR_TAGS):
            yield Failure(
                f"tags.{key}", f"tags that begin with {OUR_TAGS} are the provider's own. Fix: rename"
            )
        for what in (key, value):
            if not _TAG.fullmatch(what):
                yield Failure(
                    f"tags.{key}", f"{what!r} is no tag. Wanted: 1 to 63 of a-z, A-Z, 0-9, '-', '_', '.'"
                )


def identifier(path: str, value: str) -> Iterator[Failure]:
    """Of a function or class: it is a name in the app's module, too."""
    if not value.isidentifier() or not value.isascii() or keyword.iskeyword(value):
        yield Failure(
            path, f"{value!r} is no Python name, and functions and classes need one. Fix: rename it"
        )
    elif value in _TAKEN or value.startswith("_"):
        yield Failure(path, f"{value!r} is taken by the module around it. Fix: rename it")


def label(path: str, value: Any) -> Iterator[Failure]:
    if is_known(value) and not _LABEL.fullmatch(value):
        yield Failure(path, f"{value!r} is no label. Wanted: 1 to 63 of a-z, 0-9, '-', as in a host's name")


def mount_path(path: str, value: str) -> Iterator[Failure]:
    taken = value.rstrip("/") in ("", *_NOT_FOR_MOUNTS)
    if not value.startswith("/") or taken or ".." in value.split("/") or not value.isprintable():
        yield Failure(
            path,
            f"nothing can be mounted at {value!r}. Wanted: an absolute path such as /data, not /root or /tmp",
        )


def sub_path(path: str, value: Any) -> Iterator[Failure]:
    if is_known(value) and (not value.strip("/") or ".." in value.split("/") or not value.isprintable()):
        yield Failure(
            path, f"{value!r} is no directory of a volume. Wanted: a path inside it, such as models/v1"
        )


def domain(path: str, value: str) -> Iterator[Failure]:
    if not _DOMAIN.fullmatch(value):
        yield Failure(path, f"{value!r} is no domain. Wanted: one of the workspace, such as api.example.com")


def time_zone(path: str, value: Any) -> Iterator[Failure]:
    if not is_known(value) or value == "UTC":
        return
    from zoneinfo import TZPATH, ZoneInfo

    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        if any(os.path.isdir(folder) for folder in TZPATH):  # else nobody here knows
            yield Failure(path, f"there is no time zone {value!r}. Wanted: a name such as Europe/Berlin")


def variables(path: str, values: Any, *, in_image: bool = True) -> Iterator[Failure]:
    """Of an environment. One that is part of an image is a line of its Dockerfile. Values stay out of the text."""
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        where = f"{path}.{key}"
        if not _VARIABLE.fullmatch(key):
            yield Failure(where, f"{key!r} is no environment variable. Wanted: letters, digits and '_'")
        if not isinstance(value, str):
            continue
        size = len(f"{key}={value}".encode(errors="surrogatepass")) + 1
        if size > _LONGEST_VARIABLE:
            yield Failure(
                where,
                f"found {size} bytes. Wanted: at most {_LONGEST_VARIABLE} for a variable: no process starts with a longer "
                "one. Fix: put it into a file of the source, or into a volume",
            )
        if "\0" in value:
            yield Failure(where, "holds a NUL byte, which no environment variable can. Fix: remove it")
        if in_image and ("\n" in value or "\r" in value):
            yield Failure(
                where,
                "has several lines, and a variable of an image is one line of its Dockerfile. Fix: put it into a Secret",
            )


def pinned(path: str, value: Any) -> Iterator[Failure]:
    if is_known(value) and not _PINNED.fullmatch(value):
        yield Failure(
            path,
            f"{value!r} is not pinned: what runs could change without a review. Wanted: "
            "<registry>/<repository>@sha256:<64 hex digits>. Fix: append the digest",
        )


def unpinned(requirement: str) -> str | None:
    """What is wrong with a line of requirements, if it does not name one package and its version."""
    if requirement.startswith("-"):
        return f"{requirement!r} is an option. Wanted: packages only. Fix: what needs another index goes into `commands`"
    if not requirement.isprintable():
        return f"{requirement!r} is no requirement. Wanted: name==version"
    if "==" in requirement or "@" in requirement:
        return None
    return f"{requirement!r} is not pinned: what runs could change without a review. Wanted: name==version"


def within(path: str, value: Any, limit: str) -> Iterator[Failure]:
    """Against the catalog's range. Nothing for what is unset or unknown."""
    if not is_known(value):
        return
    allowed = load().limit("modal", limit)
    if not allowed.allows(value):
        yield Failure(path, f"found {value:.15g}. Wanted: {allowed.range}")


def at_least(path: str, value: Any, lowest: float) -> Iterator[Failure]:
    if is_known(value) and value < lowest:
        yield Failure(path, f"found {value:.15g}. Wanted: at least {lowest:.15g}")


def gpu(path: str, value: str) -> Iterator[Failure]:
    """`TYPE` or `TYPE:count`, under Modal's names."""
    kind, colon, count = value.partition(":")
    offered = {gpu.modal_id: gpu for gpu in load().gpus.values() if gpu.modal_id}
    spellings = {name.upper(): gpu for name, gpu in offered.items()}
    spellings |= {gpu.name.upper(): gpu for gpu in offered.values() if "A10" in gpu.name}
    found = spellings.get(kind.upper())
    if found is None:
        if kind.upper() == "ANY" and not colon:
            return
        yield Failure(path, _no_gpu(kind, list(offered)))
        return
    most = found.modal_max_count or 8
    if colon and (not count.isdecimal() or not 1 <= int(count) <= most):
        yield Failure(path, f"{value!r} asks for {count or 'no'} GPUs. Wanted: 1 to {most} of {kind}")


def _no_gpu(kind: str, offered: list[str]) -> str:
    known = next((gpu for name, gpu in load().gpus.items() if name.upper() == kind.upper()), None)
    if known is not None and known.modal_id is None:
        return f"Modal does not offer {known.name}: {known.modal_reason}. Wanted: one of {', '.join(offered)}"
    near = [known.modal_id] if known is not None and known.modal_id else nearest(kind, offered, 2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"Modal's GPUs are {', '.join(offered)}"
    return f"{kind!r} is not a GPU of Modal. Fix: {hint}"
