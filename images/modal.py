"""What a Modal app is rendered from, and what its module is called: data and hashes, no template yet.

The module's name is a hash of everything that decides what containers do. What Modal can change without a new version (the
autoscaler's numbers, the app's tags) stays out of it, and so does the app's name.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from images.errors import ImageError
from images.function import FunctionInfo, inspect_function
from images.handler import HandlerInfo, Kind, inspect_handler
from images.render import handler_files, runtime_files, template_of

LIMIT_BYTES = 8 * 2**20
"""Of code in one module: Modal's containers read all of it before they start."""

AUTOSCALER = ("min_containers", "max_containers", "buffer_containers", "scaledown_window")


class WebKind(Enum):
    """How a function serves HTTP. `ASGI` and `WSGI` return an app, `SERVER` listens on a port by itself."""

    FASTAPI = "fastapi"
    ASGI = "asgi"
    WSGI = "wsgi"
    SERVER = "server"


@dataclass(frozen=True)
class ModalImage:
    """A registry image by digest, or a chain on Debian slim; then `apt`, `pip`, `commands`, `env` and `files` in that order.

    `files` maps an absolute path in the container to a file or directory below the project's root.
    """

    registry: str | None = None
    registry_secret: str | None = None
    add_python: str | None = None
    python: str = "3.11"
    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    uv: bool = True
    commands: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModalWeb:
    """`kind` is for functions; a handler class always answers JSON. `method` and `docs` are of FASTAPI, the rest of SERVER."""

    kind: WebKind = WebKind.ASGI
    label: str | None = None
    custom_domains: tuple[str, ...] = ()
    requires_proxy_auth: bool = False
    method: str = "GET"
    docs: bool = False
    port: int = 8000
    startup_timeout_s: float = 5.0


@dataclass(frozen=True)
class ModalMount:
    """A volume at a path."""

    name: str
    sub_path: str | None = None
    read_only: bool = False


@dataclass(frozen=True)
class ModalSecret:
    name: str
    required_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModalRetries:
    max_retries: int
    backoff_coefficient: float = 2.0
    initial_delay_s: float = 1.0
    max_delay_s: float = 60.0


@dataclass(frozen=True)
class ModalSchedule:
    """Either cron (with a time zone) or a period."""

    cron: str | None = None
    timezone: str = "UTC"
    period_s: float | None = None


@dataclass(frozen=True)
class ModalService:
    """A function (`entry` is "file.py:function") or a handler class (`entry` is its file, None for the usual one).

    `options` are further keyword arguments of `app.function` or `app.cls`, plain values under Modal's names.
    """

    name: str
    entry: str | None = None
    image: ModalImage | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    volumes: Mapping[str, ModalMount] = field(default_factory=dict)
    network_file_systems: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[ModalSecret, ...] = ()
    retries: ModalRetries | None = None
    schedule: ModalSchedule | None = None
    proxy: str | None = None
    max_inputs: int | None = None
    target_inputs: int | None = None
    batch_max_size: int | None = None
    batch_wait_ms: int | None = None
    web: ModalWeb | None = None
    memory_snapshot: bool = False
    gpu_snapshot: bool = False


@dataclass(frozen=True)
class ModalApp:
    """One app. `root` is where `image.files` are found; it does not enter the module."""

    name: str
    image: ModalImage = field(default_factory=ModalImage)
    env: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[ModalService, ...] = ()
    classes: tuple[ModalService, ...] = ()
    root: Path | None = None


@dataclass(frozen=True)
class Code:
    """An app's code as read from disk: what each service runs, and the files that the module carries."""

    functions: Mapping[str, FunctionInfo]
    classes: Mapping[str, HandlerInfo]
    files: Mapping[str, bytes]
    extra: Mapping[str, str]  # local path of an image's file -> hash of its content


def read_code(directory: Path | str, app: ModalApp) -> tuple[Code, list[tuple[str, str]]]:
    """The code of an app, and every problem as (where, reason); where is "", "functions.<name>" or "image.files"."""
    directory = Path(directory)
    problems: list[tuple[str, str]] = []
    functions: dict[str, FunctionInfo] = {}
    classes: dict[str, HandlerInfo] = {}
    for service in app.functions:
        try:
            functions[service.name] = inspect_function(directory, service.entry or "")
        except ImageError as error:
            problems.append((f"functions.{service.name}", str(error)))
    for service in app.classes:
        try:
            classes[service.name] = inspect_handler(directory, service.entry)
        except ImageError as error:
            problems += [(f"classes.{service.name}", problem) for problem in error.problems]
    files: dict[str, bytes] = {}
    try:
        files = _embedded(directory)
    except ImageError as error:
        problems.append(("", str(error)))
    except OSError as error:
        problems.append(("", f"{error.filename} cannot be read: {error.strerror}"))
    extra, missing = _extra(app)
    problems += [("image.files", problem) for problem in missing]
    for name, info in functions.items():
        problems += [(f"functions.{name}", text) for text in _function_problems(app, name, info)]
    return Code(functions, classes, files, extra), problems


def module_name(app: ModalApp, code: Code) -> str:
    """`pl_<20 hex digits>` of all that reaches the containers: the same on every machine."""
    picture = {
        "template": template_of("modal").version,
        "skeleton": _skeleton(),
        "app": _picture(app),
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in code.files.items()},
        "extra": dict(code.extra),
    }
    return f"pl_{hashlib.sha256(json.dumps(picture, sort_keys=True).encode()).hexdigest()[:20]}"


def streams(info: HandlerInfo | FunctionInfo) -> bool:
    return info.kind.streams


def image_of(app: ModalApp, service: ModalService) -> ModalImage:
    """The image of one service: its own or the app's, with the environment of both."""
    image = service.image or app.image
    env = {**image.env, **app.env, **service.env}
    return ModalImage(**{**{key: getattr(image, key) for key in image.__dataclass_fields__}, "env": env})


def _picture(app: ModalApp) -> dict[str, Any]:
    """The declaration as JSON data, without the root, the name and what the autoscaler is told."""
    said = asdict(app)
    said.pop("root")
    said.pop("name")
    for service in [*said["functions"], *said["classes"]]:
        service["options"] = {k: v for k, v in service["options"].items() if k not in AUTOSCALER}
    picture: dict[str, Any] = json.loads(json.dumps(said, default=lambda value: value.value))
    return picture


def _embedded(directory: Path) -> dict[str, bytes]:
    files = {f"pilotlight_runtime/{name}": data for name, data in runtime_files("modal")}
    total = 0
    for relative, path in handler_files(directory):
        data = path.read_bytes()
        total += len(data)
        if total > LIMIT_BYTES:
            raise ImageError(
                f"{directory} is larger than {LIMIT_BYTES // 2**20} MiB at {relative}: too much for a Modal app's module",
                wanted="code and small files",
                fix="stage weights (StagedWeights), or put large files into a Volume or image.files",
            )
        files[f"handler/{relative}"] = data
    return dict(sorted(files.items()))


def _extra(app: ModalApp) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    problems = []
    services = [service.image for service in (*app.functions, *app.classes) if service.image]
    for image in (app.image, *services):
        for local in image.files.values():
            path = (app.root or Path()) / local
            problem = _outside(app.root or Path(), path, local)
            if problem:
                problems.append(problem)
                continue
            found[local] = _hash(path)
    return found, problems


def _outside(root: Path, path: Path, local: str) -> str | None:
    """Why a file must not go into an image. The project's own directory has its state and the keys of its cloud."""
    root, real = root.resolve(), path.resolve()
    if real == root or not real.is_relative_to(root):
        where = (
            "is the project itself, with its state and its keys" if real == root else "is outside the project"
        )
        return f"{local!r} {where}. Wanted: a file or a directory below the one with Pulumi.yaml"
    return None if path.exists() else f"{local} does not exist"


def _hash(path: Path) -> str:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _function_problems(app: ModalApp, name: str, info: FunctionInfo) -> Iterable[str]:
    service = next(service for service in app.functions if service.name == name)
    where = f"{info.file}: {info.name}"
    if service.batch_max_size is not None:
        if info.kind.streams:
            yield f"{where} yields, and a batched function returns a list"
        if not info.simple or not info.parameters:
            yield f"{where} is batched. Wanted: one or more plain parameters without defaults, each given a list"
    if service.schedule is not None and info.needs_arguments:
        yield f"{where} has a schedule, so nobody gives it arguments. Wanted: no parameter without a default"
    if service.retries is not None and info.kind.streams:
        yield f"{where} yields, and Modal does not retry generators. Fix: remove retries"
    if service.web is not None and service.web.kind is not WebKind.FASTAPI:
        if info.needs_arguments:
            yield f"{where} makes a web app, so nobody gives it arguments. Wanted: no parameter without a default"
        if info.kind is not Kind.SYNC:
            yield f"{where} makes a web app. Wanted: a plain `def`"


@cache
def _skeleton() -> str:
    """The template itself: a new one is a new version of every app."""
    return hashlib.sha256(template_of("modal").source.read_bytes()).hexdigest()
