"""Image layers read as a recipe: what is installed, set and copied, and what this machine does not do."""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from modal_proto import api_pb2

# What every image of the client starts with: there is no Debian here, and an environment that uv makes needs no pip.
BOILERPLATE = (
    re.compile(r"apt-get update( -y)?"),
    re.compile(r"apt-get install -y gcc gfortran build-essential"),
    re.compile(r"apt-get (clean|autoremove).*"),
    re.compile(
        r"(python -m )?pip install --upgrade (pip|wheel|uv|setuptools)(==\S+)?( (pip|wheel|uv|setuptools)(==\S+)?)*"
    ),
    re.compile(r"echo 'debconf debconf/frontend select Noninteractive' \| debconf-set-selections"),
    re.compile(r"rm -rf /var/lib/apt/lists/\*"),
    re.compile(r"rm /modal_requirements.txt"),
    re.compile(r"ln -s \S+ /usr/local/bin/python"),
    re.compile(r"(python -m pip|uv pip) install .*/modal_requirements.txt.*"),
)
INSTALLER = re.compile(
    r"(?:\S*python[\d.]*\s+-m\s+)?(?:\S*/)?(?:uv\s+pip|pip[\d.]*)\s+install\s+(.*)", re.DOTALL
)
SYNC = re.compile(r"(?:\S*/)?uv\s+sync\s*(.*)", re.DOTALL)
OPTIONS_WITH_VALUE = (
    "--python",
    "-p",
    "--target",
    "--prefix",
    "--root",
    "--cache-dir",
    "--timeout",
    "--retries",
)
OPTIONS_ALONE = (
    "--compile-bytecode", "--system", "--user", "--no-cache-dir", "--no-cache", "--quiet", "-q", "--break-system-packages",
    "--disable-pip-version-check", "--no-warn-script-location", "--root-user-action=ignore", "--progress-bar=off",
)  # fmt: skip
IGNORED = (
    "CMD",
    "LABEL",
    "EXPOSE",
    "ARG",
    "USER",
    "SHELL",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "MAINTAINER",
    "VOLUME",
)


_VARIABLE = re.compile(r"\$\{?(\w+)\}?")

# Of the base images.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Install:
    """One run of uv: `uv pip install <args>`, or `uv sync <args>`. Paths are those of the image."""

    args: tuple[str, ...]
    sync: bool = False

    def __str__(self) -> str:
        return shlex.join(("uv", "sync", *self.args) if self.sync else ("uv", "pip", "install", *self.args))


@dataclass(frozen=True)
class Recipe:
    """An image, all layers together. `copies` are (mount id, folder) and `files` path -> content; `notes` say what is
    left out, one line each."""

    base: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = ""
    installs: tuple[Install, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def python(self) -> str:
        """The version that the base image brings, such as "3.11"; empty if its name does not say."""
        found = re.fullmatch(r"(?:docker\.io/library/)?python:(\d+\.\d+).*", self.base)
        return found[1] if found else ""


def add_layer(below: Recipe, image: api_pb2.Image) -> Recipe:
    """The recipe of an image whose base has the recipe `below`."""
    context = {file.filename: file.data for file in image.context_files}
    recipe = below
    for line in _joined(image.dockerfile_commands):
        recipe = _step(recipe, line, context, image.context_mount_id)
    if image.HasField("build_function"):
        recipe = _note(
            recipe, "run_function is not run here: what it would have left in the image is not there"
        )
    return recipe


def _joined(commands: Iterable[str]) -> list[str]:
    """Lines that end in a backslash go on in the next; comments and empty lines go."""
    lines: list[str] = []
    open_line = ""
    for command in commands:
        for line in command.split("\n"):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            open_line += line.strip() if not open_line else " " + line.strip()
            if open_line.endswith("\\"):
                open_line = open_line[:-1].rstrip()
                continue
            lines.append(open_line)
            open_line = ""
    return [*lines, open_line] if open_line else lines


def _step(recipe: Recipe, line: str, context: Mapping[str, bytes], mount_id: str) -> Recipe:
    word, _, rest = line.partition(" ")
    word, rest = word.upper(), rest.strip()
    if word == "FROM":
        return recipe if rest == "base" else replace(recipe, base=rest.split(" ")[0])
    if word == "ENV":
        return replace(recipe, env={**recipe.env, **_env(rest, recipe.env)})
    if word == "WORKDIR":
        path = shlex.split(rest)[0] if rest else "/"
        return replace(recipe, workdir=str(PurePosixPath(recipe.workdir or "/") / path))
    if word == "COPY":
        return _copy(recipe, rest, context, mount_id)
    if word == "RUN":
        for command in _commands(rest):
            recipe = _run(recipe, command)
        return recipe
    if word in IGNORED or (word == "ENTRYPOINT" and rest in ("[]", "")):
        return recipe
    return _note(recipe, f"not done here: {line}")


def _run(recipe: Recipe, command: str) -> Recipe:
    if any(pattern.fullmatch(command) for pattern in BOILERPLATE):
        return recipe
    sync = SYNC.fullmatch(command)
    if sync:
        install = Install(_cleaned(sync[1]), sync=True)
        return replace(recipe, installs=(*recipe.installs, install))
    found = INSTALLER.fullmatch(command)
    if found:
        args = _cleaned(found[1])
        return replace(recipe, installs=(*recipe.installs, Install(args))) if args else recipe
    if re.match(r"(sudo )?apt(-get)? ", command):
        packages = [word for word in command.split() if not word.startswith("-")][2:]
        return (
            _note(recipe, f"Debian packages are not installed here: {' '.join(packages)}")
            if packages
            else recipe
        )
    return _note(recipe, f"not run here: {command}")


def _cleaned(text: str) -> tuple[str, ...]:
    """Without what chooses a place or a Python: those are ours."""
    words = shlex.split(re.sub(r"\$\(command -v python3?\)", "python", text), comments=True)
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in OPTIONS_WITH_VALUE:
            skip = True
        elif word not in OPTIONS_ALONE and not word.startswith(
            tuple(f"{name}=" for name in OPTIONS_WITH_VALUE)
        ):
            kept.append("--prerelease=allow" if word == "--pre" else word)
    return tuple(kept)


def _commands(text: str) -> list[str]:
    """A shell line at its `&&`s, quotes respected and the rest left as it is: `shlex` takes joined quotes apart."""
    parts, start, quote, at = [], 0, "", 0
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif text.startswith("&&", at):
            parts.append(text[start:at])
            at += 1
            start = at + 1
        at += 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def _env(rest: str, known: Mapping[str, str]) -> dict[str, str]:
    words = _words(rest, known)
    if words and "=" not in words[0]:
        name, _, value = rest.partition(" ")
        return {name: _VARIABLE.sub(lambda found: _known(known, found), value.strip())}
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _words(text: str, known: Mapping[str, str]) -> list[str]:
    """As a Dockerfile has them: variables are replaced, but not in single quotes, nor behind a backslash."""
    words: list[str] = []
    word: str | None = None
    quote, at = "", 0
    while at < len(text):
        char, step = text[at], 1
        variable = _VARIABLE.match(text, at) if quote != "'" else None
        if char == "\\" and quote != "'" and at + 1 < len(text):
            kept = text[at : at + 2] if quote and text[at + 1] not in '"\\$' else text[at + 1]
            word, step = (word or "") + kept, 2
        elif variable is not None:
            word, step = (word or "") + _known(known, variable), len(variable[0])
        elif char == quote or (not quote and char in "'\""):
            word, quote = word or "", "" if quote else char
        elif char.isspace() and not quote:
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + char
        at += step
    return [*words, *([] if word is None else [word])]


def _known(known: Mapping[str, str], found: re.Match[str]) -> str:
    return known.get(found[1], PATH if found[1] == "PATH" else "")


def _copy(recipe: Recipe, rest: str, context: Mapping[str, bytes], mount_id: str) -> Recipe:
    words = [word for word in shlex.split(rest) if not word.startswith("--chown")]
    if words and words[0].startswith("--from="):
        # The client brings uv from its image; ours is used instead.
        return recipe if "astral-sh/uv" in words[0] else _note(recipe, f"not copied here: {rest}")
    if len(words) < 2:
        return _note(recipe, f"not copied here: {rest}")
    *sources, target = words
    target = str(PurePosixPath(recipe.workdir or "/") / target)
    for source in sources:
        absolute = "/" + source.removeprefix("./").lstrip("/")
        if source.startswith("/python/"):
            continue
        if absolute in context:
            place = f"{target}/{PurePosixPath(absolute).name}" if rest.endswith("/") else target
            recipe = replace(recipe, files={**recipe.files, place: context[absolute]})
        elif source in (".", "./", "/") and mount_id:
            recipe = replace(recipe, copies=(*recipe.copies, (mount_id, target)))
        else:
            recipe = _note(recipe, f"not copied here: {source} to {target}")
    return recipe


def _note(recipe: Recipe, text: str) -> Recipe:
    return replace(recipe, notes=(*recipe.notes, text))
