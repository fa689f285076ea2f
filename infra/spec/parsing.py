"""From keyword arguments to a declaration: every problem at once, each at its property, in plain words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import pydantic

from infra.spec.base import Spec
from infra.spec.errors import PilotlightError
from infra.spec.nearest import nearest

# Names of the clouds' own settings -> ours. Those that Modal has given up are in older guides still.
_ELSEWHERE = {
    "container_idle_timeout": "idle_timeout_s",
    "scaledown_window": "idle_timeout_s",
    "idle_timeout": "idle_timeout_s",
    "concurrency_limit": "workers.max",
    "max_containers": "workers.max",
    "max_workers": "workers.max",
    "keep_warm": "workers.min",
    "min_containers": "workers.min",
    "min_workers": "workers.min",
    "buffer_containers": "workers.buffer",
    "allow_concurrent_inputs": "concurrency",
    "max_inputs": "concurrency",
    "enable_memory_snapshot": "fast_boot",
    "flashboot": "fast_boot",
    "requires_proxy_auth": "auth",
    "timeout": "timeout_s",
    "region": "regions",
}

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, and what is, was wanted, and to do."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class SpecError(PilotlightError):
    """A declaration that cannot stand, with all its problems."""

    def __init__(self, subject: str, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{subject} has {_count(len(self.problems))}:{lines}")


def parse(model: type[S], values: Mapping[str, Any], *, subject: str) -> S:
    """Build `model` from `values`, or raise `SpecError` naming `subject` and every problem."""
    try:
        return model.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise SpecError(subject, problems_of(model, error)) from None


def problems_of(model: type[pydantic.BaseModel], error: pydantic.ValidationError) -> list[Problem]:
    """The problems behind a pydantic error, one a property, without the library's own wording."""
    problems: dict[str, str] = {}
    for item in sorted(error.errors(), key=lambda item: item["type"] == "literal_error"):
        path = _path(item["loc"])
        if item["type"] == "literal_error" and _under(path, problems):
            continue  # the other branch of a union such as `Workers | "auto"` already says what is wrong
        problems.setdefault(path, _message(model, item))
    return [Problem(path, message) for path, message in problems.items()]


def _message(model: type[pydantic.BaseModel], item: Any) -> str:
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return no_such(str(item["loc"][-1]), _fields_at(model, item["loc"][:-1]))
    if kind in ("enum", "literal_error"):
        names = _choices(str(context.get("expected", "")))
        return _with_nearest(f"found {value!r}. Wanted: one of {', '.join(names)}", str(value), names)
    if kind == "missing":
        return "not given. Wanted: a value. Fix: set it"
    if kind == "value_error":
        return str(context["error"])
    return f"found {value!r}. Wanted: {item['msg'][:1].lower()}{item['msg'][1:]}"


def no_such(name: str, known: Iterable[str]) -> str:
    """What to say of a setting that is none: its name here where a cloud has one of its own for it, else the nearest."""
    names = list(known)
    here = _ELSEWHERE.get(name)
    if here is not None and here.split(".")[0] in names:
        return f"no such setting: it is what a cloud calls it, today or before. Fix: {here}"
    return _with_nearest("no such setting", name, names)


def _with_nearest(message: str, value: str, names: Iterable[str]) -> str:
    close = nearest(value, names)
    return f"{message}. Nearest: {', '.join(close)}" if close else message


def _choices(expected: str) -> list[str]:
    return [part.strip("' ") for part in expected.replace(" or ", ", ").split(", ")]


def _path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not _is_branch(part):
            path += f".{part}" if path else part
    return path


def _is_branch(part: str) -> bool:
    # pydantic names the branch of a union in the location: `function-after[...]`, `literal['auto']`, `Workers`
    return "[" in part or "(" in part or part[:1].isupper()


def _under(path: str, problems: Mapping[str, str]) -> bool:
    return any(other == path or other.startswith((f"{path}.", f"{path}[")) for other in problems)


def _fields_at(model: type[pydantic.BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        if isinstance(part, int) or _is_branch(part):
            continue
        inner = _model_in(model.model_fields[part].annotation) if part in model.model_fields else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[pydantic.BaseModel] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, pydantic.BaseModel) else None
    arguments = getattr(annotation, "__args__", ())
    return next((model for model in map(_model_in, arguments) if model is not None), None)


def _count(number: int) -> str:
    return "1 problem" if number == 1 else f"{number} problems"


def wire(value: Any) -> Any:
    """A declaration as plain data for the wire: enums as values, money as text."""
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return value.value if isinstance(value, Enum) else value
