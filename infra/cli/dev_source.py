"""A handler's directory as its developer sees it: what is wrong with it, in the developer's own file names and lines."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from infra.spec.errors import PilotlightError

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
_TEMPORARY = re.compile(r".*~|#.*#|4913|.*\.(swp|swx|tmp|bak|orig|pyc|part|crswap)|\..*")
_PROBLEM = re.compile(r"[\w./-]+\.py\b")
_AT_END = re.compile(
    r"^(?P<text>.*) \((?P<file>[^()\s]+\.py) line (?P<line>\d+), in (?P<name>[^()]+)\)$", re.S
)
_FRAME = re.compile(r'File "[^"]*/handler/(?P<file>[^"]+)"')


class Broken(PilotlightError):
    """The code on disk cannot be built. Each of `problems` begins with a file and a line where they are known."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Source:
    """`shown` is how the directory is called when the developer is told of it."""

    def __init__(self, directory: Path, shown: Path) -> None:
        self.directory = directory
        self.shown = shown

    def check_syntax(self) -> None:
        """Every Python file, before anything is built: a worker would find out only when it imports one. Raises Broken."""
        problems = [
            problem
            for path in files(self.directory)
            if path.suffix == ".py" and (problem := self._syntax(path)) is not None
        ]
        if problems:
            raise Broken(problems)

    def located(self, text: str) -> str:
        """A problem that begins with a file of the handler, under that file's own name."""
        begins = _PROBLEM.match(text)
        if begins and (self.directory / begins.group()).parent.is_dir():
            return f"{self.shown}/{text}"
        return text.replace(str(self.directory), str(self.shown))

    def explained(self, text: str) -> str:
        """An error that a worker reports as `<what> (model.py line 12, in predict)`, with the place first."""
        found = _AT_END.match(text)
        if not found or not (self.directory / found["file"]).is_file():
            return text
        return f"{self.shown}/{found['file']}:{found['line']}: in {found['name']}: {found['text']}"

    def mapped(self, line: str) -> str:
        """A line of a worker's traceback, with the developer's file in place of the worker's copy."""
        return _FRAME.sub(
            lambda found: (
                f'File "{self.shown}/{found["file"]}"'
                if (self.directory / found["file"]).is_file()
                else found.group()
            ),
            line,
        )

    def _syntax(self, path: Path) -> str | None:
        name = f"{self.shown}/{path.relative_to(self.directory).as_posix()}"
        try:
            content = path.read_bytes()
            ast.parse(content, filename=name)
        except SyntaxError as error:
            line = error.lineno or 1
            text = "".join(content.decode(errors="replace").splitlines()[line - 1 : line]).strip()
            return f"{name}:{line}: {error.msg}" + (f": `{text}`" if text else "")
        except ValueError as error:
            return f"{name}: not Python source: {error}"
        except OSError:
            return None  # gone since it was listed: the build says what it misses
        return None


def files(directory: Path) -> Iterator[Path]:
    """What a developer edits: no hidden files, caches, or what editors write for a moment."""
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return
    for path in entries:
        if path.is_dir():
            if path.name not in _SKIPPED and not path.name.startswith("."):
                yield from files(path)
        elif not _TEMPORARY.fullmatch(path.name) or path.name == ".pilotlightignore":
            yield path
