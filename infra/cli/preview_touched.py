"""Which stacks a change touches: by the program's import graph, the files that it names, and files of one stack alone."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

_SETTINGS = "policies/settings.yaml"
_ALL = re.compile(
    r"^(?:Pulumi\.yaml|pyproject\.toml|uv\.lock|requirements[\w.-]*\.txt|\.python-version|policies/.+)$"
)
_OF_ONE = re.compile(r"^(?:Pulumi|placement)\.(?P<stack>[A-Za-z0-9_.\-]+)\.yaml$")
_MODULE = re.compile(r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?::\w+)?$")
_LONGEST = 200


def touched(
    root: Path,
    project: Mapping[str, Any],
    stacks: Sequence[str],
    files: Sequence[str],
    base: Path | None = None,
) -> dict[str, str]:
    """Stacks, each with a file that touches it. `files` are relative to the project. `base`: the project as it was, for the
    settings of rules. A program that cannot be parsed is touched by everything."""
    main = str(PurePosixPath(str(project.get("main") or ".")))
    config = str(PurePosixPath(str(project.get("stackConfigDir") or ".")))
    found: dict[str, str] = {}
    reach: _Reach | None = None
    for file in files:
        if file == _SETTINGS:
            hit: Iterable[str] = _by_rules(root, base, stacks)
        elif (stack := _own(file, config)) is not None:
            hit = [stack] if stack in stacks else []
        elif _ALL.match(file):
            hit = stacks
        else:
            reach = reach or _Reach(root, main)
            hit = stacks if reach.has(file) else []
        for stack in hit:
            found.setdefault(stack, file)
    return {stack: found[stack] for stack in stacks if stack in found}


class _Reach:
    """Modules that a program imports, near or far, and what of the project it names in a text."""

    def __init__(self, root: Path, main: str) -> None:
        self._root, self._main = root, main
        self._tops = {path.name for path in root.iterdir() if path.is_dir()}
        self.modules: set[str] = set()
        self.named: set[str] = set()
        self._whole = True
        queue = [path.relative_to(root).as_posix() for path in (root / main).glob("*.py")]
        while queue:
            file = queue.pop()
            if file in self.modules:
                continue
            self.modules.add(file)
            queue += self._of(file)
        self._folders = {str(PurePosixPath(file).parent) for file in self.modules}

    def has(self, file: str) -> bool:
        """Whether a change of `file` may change what the program declares or what its handlers do."""
        if not self._whole or file in self.modules:
            return True
        path = PurePosixPath(file)
        if str(path.parent) in self._folders and path.parts[:-1]:  # data beside the modules that read it
            return True
        return any(file == named or file.startswith(f"{named}/") for named in self.named)

    def _of(self, file: str) -> Iterator[str]:
        try:
            tree = ast.parse((self._root / file).read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError):
            self._whole = False
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._module(alias.name)
            elif isinstance(node, ast.ImportFrom):
                name = self._absolute(node, file)
                yield from self._module(name)
                for alias in node.names:
                    yield from self._module(f"{name}.{alias.name}")
            elif (
                isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < _LONGEST
            ):
                yield from self._text(node.value, file)

    def _absolute(self, node: ast.ImportFrom, file: str) -> str:
        if not node.level:
            return node.module or ""
        package = PurePosixPath(file).parts[: -node.level]
        return ".".join([*package, *([node.module] if node.module else [])])

    def _module(self, name: str) -> Iterator[str]:
        """The files of a module and of the packages around it, as found from the program's directory or the project's."""
        parts = name.split(".")
        for start in dict.fromkeys((self._main, ".")):
            for count in range(1, len(parts) + 1):
                place = PurePosixPath(start, *parts[:count])
                for file in (f"{place}.py", f"{place}/__init__.py"):
                    if (self._root / file).is_file():
                        yield file

    def _text(self, text: str, file: str) -> Iterator[str]:
        if _MODULE.match(text) and text.partition(".")[0] in self._tops:
            yield from self._module(text.partition(":")[0])
        inside = self._main in (".", "") or file.startswith(f"{self._main}/")
        if inside and "/" in text and "\n" not in text and not text.startswith(("/", "..")):
            path = str(PurePosixPath(text))
            if (self._root / path).exists():
                self.named.add(path)


def _own(file: str, config: str) -> str | None:
    """The stack whose file it is; placement files stand beside the settings or in `stacks/`."""
    path = PurePosixPath(file)
    match = _OF_ONE.match(path.name)
    return match["stack"] if match and str(path.parent) in (config, "stacks") else None


def _by_rules(root: Path, base: Path | None, stacks: Sequence[str]) -> Sequence[str]:
    """Stacks whose rules' settings differ; all when the general ones do or when it cannot be told."""
    if base is None:
        return stacks
    try:
        before, after = (yaml.safe_load(_read(place / _SETTINGS)) or {} for place in (base, root))
        one, other = dict(before), dict(after)
        own, new = one.pop("stacks", None) or {}, other.pop("stacks", None) or {}
        if one != other:
            return stacks
        return [stack for stack in stacks if own.get(stack) != new.get(stack)]
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError):
        return stacks


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
