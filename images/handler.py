"""Read a handler directory without running it: which class serves, in which style, and what is wrong with it."""

import ast
import json
import keyword
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from images.errors import ImageError

_CONTRACT = "class Model with `def load(self, weights)` and `def predict(self, request)`"
_TRUSS_KEYWORDS = frozenset({"config", "data_dir", "secrets", "environment"})

# The depth that CPython 3.11 counts while it builds a tree is one for all threads: two at once may end in a SystemError.
_ONE_AT_A_TIME = threading.Lock()


class Style(Enum):
    """`NATIVE`: `load(self, weights)`. `TRUSS`: keyword arguments to the constructor and a bare `load(self)`."""

    NATIVE = "native"
    TRUSS = "truss"


class Kind(Enum):
    SYNC = "sync"
    ASYNC = "async"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async-generator"

    @property
    def streams(self) -> bool:
        return self in (Kind.GENERATOR, Kind.ASYNC_GENERATOR)


@dataclass(frozen=True)
class HandlerInfo:
    """A handler that keeps the contract. `file` is relative to the directory, with forward slashes."""

    directory: Path
    file: str
    class_name: str
    style: Style
    kind: Kind
    config: dict[str, Any] = field(default_factory=dict)  # a Truss config.yaml, as JSON data
    requirements: tuple[str, ...] = ()  # what a Truss config.yaml asks for

    @property
    def module(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".")


def inspect_handler(directory: Path | str, entry: str | None = None) -> HandlerInfo:
    """Find the class that serves in `directory` by reading its syntax tree; the code is never imported.

    The file is `entry`, else `model.py`, else what a Truss `config.yaml` names (`model/model.py`).
    Raises ImageError with every problem found.
    """
    directory = Path(directory)
    if not directory.is_dir():
        state = "is a file" if directory.exists() else "does not exist"
        raise ImageError(
            f"handler directory {directory} {state}",
            wanted=f"a directory with model.py: {_CONTRACT}",
            fix="create it, or correct the handler's path",
        )
    config = _truss_config(directory)
    file, class_name = _entry(directory, entry, config)
    tree = parse(directory, file)
    problems: list[str] = []
    model = _find_class(tree, class_name, file)
    methods, complete = _methods(model, tree)
    style = _style(methods, file, problems, complete)
    kind = _kind(methods, style, file, problems, complete)
    if problems:
        raise refusal(directory, problems)
    requirements = tuple(str(line) for line in config.get("requirements") or ())
    return HandlerInfo(directory, file, class_name, style, kind, config, requirements)


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _truss_config(directory: Path) -> dict[str, Any]:
    path = directory / "config.yaml"
    if not path.is_file() or not (directory / "model").is_dir():
        return {}
    import yaml  # only Truss directories pay for it

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        config = json.loads(json.dumps(loaded, default=str, allow_nan=False))
    except (yaml.YAMLError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise refusal(directory, [f"config.yaml: not readable as a Truss configuration: {reason}"]) from None
    if not isinstance(config, dict):
        raise refusal(directory, ["config.yaml: wanted a mapping of Truss settings"])
    return config


def _entry(directory: Path, entry: str | None, config: dict[str, Any]) -> tuple[str, str]:
    truss = f"{config.get('model_module_dir', 'model')}/{config.get('model_class_filename', 'model.py')}"
    class_name = str(config.get("model_class_name", "Model"))
    if not class_name.isidentifier() or keyword.iskeyword(class_name):
        raise refusal(directory, [f"config.yaml: model_class_name {class_name!r} is not a Python class name"])
    for file in (entry,) if entry else ("model.py", truss):
        path = directory / file
        inside = path.resolve().is_relative_to(directory.resolve())
        if inside and path.suffix == ".py" and path.is_file():
            return path.relative_to(directory).as_posix(), class_name
    wanted = entry or "model.py"
    found = sorted(p.name for p in directory.glob("*.py"))
    listing = f"it has {', '.join(found)}" if found else "it has no Python file"
    raise refusal(directory, [f"{wanted}: not found in the handler directory ({listing})"])


def parse(directory: Path, file: str) -> ast.Module:
    """The syntax tree of a file. Raises ImageError with the line that is wrong."""
    try:
        with _ONE_AT_A_TIME:
            return ast.parse((directory / file).read_bytes(), filename=file)
    except SyntaxError as error:
        where = f"{file}:{error.lineno}" if error.lineno else file
        text = (error.text or "").strip()
        raise refusal(directory, [f"{where}: {error.msg}" + (f": `{text}`" if text else "")]) from None
    except ValueError as error:
        raise refusal(directory, [f"{file}: not Python source: {error}"]) from None


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Top-level statements, and those under a top-level `if`, `try` or `with`."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            for name in ("body", "orelse", "finalbody"):
                yield from statements(getattr(node, name, []))
            for handler in getattr(node, "handlers", []):
                yield from statements(handler.body)


def _classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in statements(tree.body) if isinstance(node, ast.ClassDef)}


def _find_class(tree: ast.Module, name: str, file: str) -> ast.ClassDef:
    classes = _classes(tree)
    if name in classes:
        return classes[name]
    imports = [n for n in statements(tree.body) if isinstance(n, ast.ImportFrom)]
    source = next((n.module or "." for n in imports for a in n.names if (a.asname or a.name) == name), None)
    if source:
        why = f"{name} is imported from {source}, where it cannot be checked"
        fix = f"define it here: `class {name}(Base)` with Base imported is enough"
    else:
        why = f"no class {name} (classes found: {', '.join(classes) or 'none'})"
        fix = f"name the class that serves {name}"
    raise ImageError(f"{file}: {why}", wanted=_CONTRACT, fix=fix)


def _methods(model: ast.ClassDef, tree: ast.Module) -> tuple[dict[str, Function], bool]:
    """Methods of the class and its bases in the same file, and whether no base is out of sight."""
    classes, methods, complete = _classes(tree), dict[str, Function](), True
    seen, queue = set[str](), [model]
    while queue:
        node = queue.pop(0)
        seen.add(node.name)
        for item in node.body:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                methods.setdefault(item.name, item)
        for base in node.bases:
            name = base.id if isinstance(base, ast.Name) else ""
            if name in classes and name not in seen:
                queue.append(classes[name])
            elif name not in ("object", "ABC", *seen):
                complete = False
    return methods, complete


def _takes(function: Function) -> tuple[int, float, list[str]]:
    """How many positional arguments a call may give (least, most), and keyword-only names that it must give."""
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
    args = function.args
    names = [*args.posonlyargs, *args.args]
    own = 0 if static else 1
    most = float("inf") if args.vararg else max(0, len(names) - own)
    least = max(0, len(names) - own - len(args.defaults))
    demanded = [a.arg for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is None]
    return least, most, demanded


def _style(methods: dict[str, Function], file: str, problems: list[str], complete: bool) -> Style:
    init, load = methods.get("__init__"), methods.get("load")
    keywords = _constructor_keywords(init)
    if load is None:
        if init is not None and (keywords or init.args.kwarg):
            _check_constructor(init, file, problems)
            return Style.TRUSS
        if complete:
            problems.append(f"{file}: Model has no load; wanted `def load(self, weights)`")
        return Style.NATIVE
    if isinstance(load, ast.AsyncFunctionDef):
        problems.append(f"{file}:{load.lineno}: load is async; wanted a plain `def load`, called once")
    least, most, demanded = _takes(load)
    if most == 0 and not demanded:
        if init is not None:
            _check_constructor(init, file, problems)
        return Style.TRUSS
    if demanded or not least <= 1 <= most:
        problems.append(f"{file}:{load.lineno}: load takes {_count(least, demanded)}; wanted one: `weights`")
    if init is not None and (_takes(init)[0] or _takes(init)[2]):
        needs = ", ".join(keywords)
        problems.append(
            f"{file}:{init.lineno}: the constructor needs {needs}; wanted none beside `load(self, weights)`"
        )
    return Style.NATIVE


def _constructor_keywords(init: Function | None) -> list[str]:
    if init is None:
        return []
    args = init.args
    return [a.arg for a in [*args.posonlyargs, *args.args, *args.kwonlyargs]][1:]


def _check_constructor(init: Function, file: str, problems: list[str]) -> None:
    args = init.args
    positional = [*args.posonlyargs, *args.args][1:]
    optional = {a.arg for a in positional[len(positional) - len(args.defaults) :]} if args.defaults else set()
    optional |= {a.arg for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None}
    foreign = [n for n in _constructor_keywords(init) if n not in _TRUSS_KEYWORDS and n not in optional]
    if foreign:
        problems.append(
            f"{file}:{init.lineno}: the constructor needs {', '.join(foreign)}; "
            f"a Truss model is given {', '.join(sorted(_TRUSS_KEYWORDS))}"
        )


def _kind(methods: dict[str, Function], style: Style, file: str, problems: list[str], complete: bool) -> Kind:
    predict = methods.get("predict")
    if predict is None:
        if complete:
            problems.append(f"{file}: Model has no predict; wanted `def predict(self, request)`")
        return Kind.SYNC
    least, most, demanded = _takes(predict)
    if demanded or not least <= 1 <= most:
        problems.append(
            f"{file}:{predict.lineno}: predict takes {_count(least, demanded)}; wanted one: `request`"
        )
    yields = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own_nodes(predict))
    if yields and style is Style.TRUSS and "postprocess" in methods:
        line = methods["postprocess"].lineno
        problems.append(f"{file}:{line}: postprocess beside a predict that streams is not supported")
    if isinstance(predict, ast.AsyncFunctionDef):
        return Kind.ASYNC_GENERATOR if yields else Kind.ASYNC
    return Kind.GENERATOR if yields else Kind.SYNC


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Nodes of the function itself: a `yield` in a nested function is not its own."""
    queue: list[ast.AST] = list(function.body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        yield node
        queue.extend(ast.iter_child_nodes(node))


def _count(least: int, demanded: list[str]) -> str:
    number = "no argument" if least == 0 else "1 argument" if least == 1 else f"{least} arguments"
    return number + (f" and the keywords {', '.join(demanded)}" if demanded else "")


def refusal(directory: Path, problems: list[str]) -> ImageError:
    """One error for everything that is wrong with a directory."""
    if len(problems) == 1:
        what = f"handler {directory}: {problems[0]}"
    else:
        what = f"handler {directory} has {len(problems)} problems:\n  - " + "\n  - ".join(problems)
    return ImageError(what, wanted=_CONTRACT, fix="see docs/handler-contract.md", problems=tuple(problems))
