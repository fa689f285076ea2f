"""Read a function of a code directory without running it: where it is, how it runs, what it takes."""

import ast
from dataclasses import dataclass
from pathlib import Path

from images.errors import ImageError
from images.handler import Kind, own_nodes, parse, statements

_WANTED = '"<file>.py:<function>", such as "pipeline.py:embed"'


@dataclass(frozen=True)
class FunctionInfo:
    """`parameters` are the plain positional ones; `simple` says that there are no others and no defaults."""

    file: str
    name: str
    kind: Kind
    parameters: tuple[str, ...] = ()
    simple: bool = True

    @property
    def needs_arguments(self) -> bool:
        return self.demands > 0

    demands: int = 0


def inspect_function(directory: Path | str, entry: str) -> FunctionInfo:
    """The function that `entry` ("file.py:name") names in `directory`; the code is never imported. Raises ImageError."""
    directory = Path(directory)
    file, _, name = entry.partition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise ImageError(f"entry {entry!r} names no function", wanted=_WANTED)
    path = directory / file
    if not path.resolve().is_relative_to(directory.resolve()) or not path.is_file():
        found = ", ".join(sorted(p.name for p in directory.glob("*.py"))) or "no Python file"
        raise ImageError(
            f"{directory}: {file}: not found in the code directory (it has {found})", wanted=_WANTED
        )
    tree = parse(directory, file)
    functions = {
        node.name: node
        for node in statements(tree.body)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    if name not in functions:
        found = ", ".join(functions) or "none"
        raise ImageError(
            f"{directory}: {file}: no function {name} (functions found: {found})", wanted=_WANTED
        )
    return _info(file, functions[name])


def _info(file: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> FunctionInfo:
    yields = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in own_nodes(node))
    if isinstance(node, ast.AsyncFunctionDef):
        kind = Kind.ASYNC_GENERATOR if yields else Kind.ASYNC
    else:
        kind = Kind.GENERATOR if yields else Kind.SYNC
    args = node.args
    plain = [arg.arg for arg in [*args.posonlyargs, *args.args]]
    simple = not (args.vararg or args.kwarg or args.kwonlyargs or args.defaults)
    demands = len(plain) - len(args.defaults) + sum(default is None for default in args.kw_defaults)
    return FunctionInfo(file, node.name, kind, tuple(plain), simple, demands)
