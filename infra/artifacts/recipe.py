"""What an image is made of, read from this disk: the inputs of a build, their hash, and what is wrong with them."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from infra.artifacts import requirements
from infra.artifacts.client import resolve
from infra.artifacts.oci import reference
from infra.artifacts.oci.layers import key_of
from infra.artifacts.source import Tree, extra_files, handler_tree

BUILDER = 1
"""Raise when the same inputs make other bytes."""


@dataclass
class Recipe:
    """`packages`: the template's and the handler's, in order. `python`: a minor version."""

    handler: Path
    template: str
    python: str
    base: str | None
    env: dict[str, str]
    entry: str | None = None  # the handler's file, where it is not the usual one
    packages: list[str] = field(default_factory=list)
    tree: Tree = field(default_factory=Tree)
    extra: Tree = field(default_factory=Tree)
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def template_version(self) -> str:
        return str(_template(self.template).version)

    @property
    def starts(self) -> str:
        """The file in `/app` that the image starts."""
        return str(_template(self.template).entry)

    @property
    def packages_key(self) -> str:
        return key_of("packages", BUILDER, self.packages, self.python, "linux/amd64", _byte_code(self.python))

    @property
    def app_key(self) -> str:
        entry = [] if self.entry is None else [self.entry]
        parts = (self.template, self.tree.hashes(), self.extra.hashes(), *entry)
        return key_of("app", BUILDER, _template_digest(), *parts)

    def source_hash(self) -> str:
        """`sha256:<hex>` of everything that the image's bytes follow from."""
        parts = (self.template_version, self.packages_key, self.app_key, self.base, self.env)
        return "sha256:" + key_of(*parts)


def read(
    root: Path | None,
    *,
    handler: str,
    template: str,
    packages: list[str] | None,
    packages_file: str | None,
    entry: str | None = None,
    functions: Sequence[str] = (),
    python: str | None,
    base: str | None,
    env: dict[str, str],
    files: dict[str, str],
) -> Recipe:
    """Everything that is wrong is in `problems`, as (input in wire form, reason)."""
    directory = resolve(root, handler)
    made = Recipe(directory, template, python or running_python(), base, env, entry)
    _read_handler(made, functions)
    made.extra = extra_files({target: resolve(root, source) for target, source in files.items()})
    made.problems += [("files", problem) for problem in made.extra.problems]
    made.packages, _ = requirements.read(_template(template).requirements)
    _read_packages(made, root, packages, packages_file)
    if base is not None:
        try:
            reference.parse(base)
        except reference.BadReference as error:
            made.problems.append(("base", str(error)))
    return made


def running_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _read_handler(made: Recipe, functions: Sequence[str]) -> None:
    from images.errors import ImageError
    from images.function import inspect_function
    from images.handler import inspect_handler

    reads: list[tuple[str, Callable[[], object]]] = [
        (f"functions[{index}]", partial(inspect_function, made.handler, function))
        for index, function in enumerate(functions)
    ]
    if not _template(made.template).function:
        where = "handler" if made.entry is None else "entry"
        reads.append((where, partial(inspect_handler, made.handler, made.entry)))
    elif not made.handler.is_dir():
        made.problems.append(("handler", f"{made.handler} is no directory. Wanted: one with the job's code"))
        return
    for path, read_it in reads:
        try:
            read_it()
        except ImageError as error:
            made.problems += [(path, problem) for problem in error.problems]
    if made.handler.is_dir():
        made.tree = handler_tree(made.handler)
        made.problems += [("handler", problem) for problem in made.tree.problems]


def _read_packages(made: Recipe, root: Path | None, given: list[str] | None, file: str | None) -> None:
    if given is not None and file is not None:
        made.problems.append(("requirementsFile", "is given beside `requirements`. Wanted: one of them"))
        return
    if given is not None:
        lines = requirements.parse("\n".join(given))
        made.problems += [("requirements", problem) for problem in requirements.problems(lines)]
    else:
        default = made.handler / "requirements.txt"
        if file is None and not default.is_file():
            return
        lines, problems = requirements.read(default if file is None else resolve(root, file))
        made.problems += [
            ("handler" if file is None else "requirementsFile", problem) for problem in problems
        ]
    made.packages += [line for line in lines if line not in made.packages]


def _template(name: str) -> Any:
    from images.render import TEMPLATES

    return TEMPLATES[name]


@cache
def _template_digest() -> str:
    """Of the templates and the worker's runtime: a new release of either is a new image."""
    import images

    root = Path(images.__file__).parent
    files = sorted(path for path in root.rglob("*") if path.suffix in (".py", ".j2") and path.is_file())
    return key_of([[path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")] for path in files])


def _byte_code(python: str) -> bool:
    return python == running_python()
