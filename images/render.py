"""Render a template around a handler directory: the files of `/app`, and a Docker context with the same layout."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from images.errors import ImageError
from images.handler import inspect_handler

if TYPE_CHECKING:
    from images.modal import ModalApp

_HERE = Path(__file__).parent
_RUNTIME = _HERE / "runtime" / "pilotlight_runtime"
_OTHERS = {
    "runpod": ("modal_", "pod_"),
    "runpod-job": ("modal_", "runpod_", "asgi"),
    "modal": ("runpod_", "pod_"),
}
"""Parts of the runtime, by the start of their names, that only another template's workers need."""
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "venv"})
_HANDLER_LIMIT_BYTES = 64 * 2**20
_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64}")
_MINOR = re.compile(r"3\.\d{1,2}")


@dataclass(frozen=True)
class Template:
    """One cloud's way to run a handler. `version` is part of an image's digest: raise it when the output changes."""

    name: str
    version: str
    entry: str  # the file that the image starts, in /app
    requirements: Path  # what the cloud's side needs beside the handler's own packages
    module: bool = False  # one module that is named by its content, instead of files in an image
    function: bool = (
        False  # runs a function that it is told at its start: the directory needs no handler class
    )

    @property
    def source(self) -> Path:
        return _HERE / "templates" / self.name / f"{self.entry}.j2"


TEMPLATES: Mapping[str, Template] = {
    "runpod": Template("runpod", "runpod@1", "rp_handler.py", _HERE / "requirements-runpod.txt"),
    "runpod-job": Template(
        "runpod-job", "runpod-job@1", "job.py", _HERE / "requirements-runpod-job.txt", function=True
    ),
    "modal": Template("modal", "modal@1", "app.py", _HERE / "requirements-modal.txt", module=True),
}


@dataclass(frozen=True)
class RenderOptions:
    """`entry`: the handler's file when it is not model.py. `base` (digest-pinned) and `python` are for Dockerfiles."""

    entry: str | None = None
    base: str | None = None
    python: str = "3.11"
    app: "ModalApp | None" = None  # what the Modal template declares; None: one class, all defaults


def render(template: str, handler_dir: Path | str, options: RenderOptions | None = None) -> dict[str, bytes]:
    """The files of /app by relative path, sorted: entry, `pilotlight_runtime/`, `handler/`. Same input, same bytes.

    The Modal template has one file, a module that holds all of these. Hidden files, caches and virtual environments
    stay out. Raises ImageError.
    """
    options = options or RenderOptions()
    chosen = template_of(template)
    if chosen.module:
        from images.modal_module import render_module

        return render_module(handler_dir, options)
    files = {chosen.entry: _entry(chosen, Path(handler_dir), options)}
    files |= {f"pilotlight_runtime/{name}": data for name, data in runtime_files(template)}
    for relative, path in handler_files(Path(handler_dir)):
        files[f"handler/{relative}"] = path.read_bytes()
    return dict(sorted(files.items()))


def docker_context(template: str, handler_dir: Path | str, options: RenderOptions) -> dict[str, bytes]:
    """A directory for `docker build` that makes the image which Pilotlight makes without Docker.

    `options.base` must name its image by digest, so that a rebuild is the same build. Raises ImageError.
    """
    chosen = template_of(template)
    if chosen.module:
        raise ImageError(
            f"template {chosen.name} makes a module, not an image",
            fix="deploy it with pilotlight-modal:index:App, or render it and run `modal deploy`",
        )
    if not _PINNED.fullmatch(options.base or ""):
        raise ImageError(
            f"base image {options.base!r} is not pinned",
            wanted="<registry>/<repository>@sha256:<64 hex digits>",
            fix="pin it to the digest that `docker buildx imagetools inspect` prints",
        )
    if not _MINOR.fullmatch(options.python):
        raise ImageError(f"python {options.python!r} is no version", wanted='a minor version such as "3.11"')
    files = {f"app/{path}": data for path, data in render(template, handler_dir, options).items()}
    own = Path(handler_dir) / "requirements.txt"
    files["requirements-cloud.txt"] = chosen.requirements.read_bytes()
    files["requirements.txt"] = own.read_bytes() if own.is_file() else b""
    values = {
        "base": options.base,
        "python": options.python,
        "version": chosen.version,
        "entry": chosen.entry,
    }
    files["Dockerfile"] = fill("Dockerfile.j2", values, finalize=str)
    return dict(sorted(files.items()))


def template_of(name: str) -> Template:
    """Raises ImageError for a name that is none."""
    if name not in TEMPLATES:
        raise ImageError(f"no image template {name!r}", wanted=f"one of: {', '.join(sorted(TEMPLATES))}")
    return TEMPLATES[name]


def runtime_files(template: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the worker's runtime, without what only other clouds' workers need."""
    for path in sorted(_RUNTIME.glob("*.py")):
        if not path.name.startswith(_OTHERS[template]):
            yield path.name, path.read_bytes()


def _entry(template: Template, directory: Path, options: RenderOptions) -> bytes:
    if template.function:
        return fill(f"{template.name}/{template.entry}.j2", {"version": template.version}, finalize=ascii)
    info = inspect_handler(directory, options.entry)
    values = {
        "version": template.version,
        "file": info.file,
        "class_name": info.class_name,
        "config": info.config,
        "streams": info.kind.streams,
    }
    return fill(f"{template.name}/{template.entry}.j2", values, finalize=ascii)


def fill(name: str, values: Mapping[str, Any], finalize: Any) -> bytes:
    """Every value passes through `finalize`: in Python templates `ascii`, so that data can only become a literal."""
    import jinja2  # the providers load this room; only a render pays

    loader = jinja2.FileSystemLoader(_HERE / "templates")
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(name).render(values).encode()


def handler_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """(relative path, file) of all that belongs into the image. Links must stay inside the directory."""
    root, total = directory.resolve(), 0
    for path in sorted(_walk(directory)):
        relative = path.relative_to(directory).as_posix()
        if not path.resolve().is_relative_to(root):
            raise ImageError(
                f"handler {directory}: {relative} links to a place outside the directory",
                fix="copy the file into the handler's directory",
            )
        total += path.stat().st_size
        if total > _HANDLER_LIMIT_BYTES:
            raise ImageError(
                f"handler {directory} is larger than {_HANDLER_LIMIT_BYTES // 2**20} MiB at {relative}",
                wanted="code and small files; weights are staged apart, so that a code change does not send them again",
                fix="move large files to a weights directory (StagedWeights)",
            )
        yield relative, path


def _walk(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if path.name.startswith(".") or path.name in _LEFT_OUT or path.suffix == ".pyc":
            continue
        if path.is_dir():
            if path.is_symlink():
                raise ImageError(
                    f"{path} is a link to a directory", fix="copy the directory into the handler's"
                )
            yield from _walk(path)
        elif path.is_file():
            yield path
