"""What all components share: a type token, errors without a traceback, and settings of the stack over the program's."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec

import pulumi

from infra.spec.base import Spec
from infra.spec.errors import PilotlightError
from infra.spec.parsing import Problem, SpecError, no_such

P = ParamSpec("P")


@dataclass(frozen=True)
class Deployed:
    """What a cloud made of an endpoint: the resource, where it is called, and what it runs (pinned)."""

    resource: pulumi.Resource
    url: Any
    image: Any


@contextmanager
def explained() -> Iterator[None]:
    """Turn an error of ours into one that the engine prints as it stands, without a traceback."""
    try:
        yield
    except PilotlightError as error:
        raise pulumi.RunError(str(error)) from None


def understood(init: Callable[P, None]) -> Callable[P, None]:
    """An argument that the constructor does not have is answered with what it is called, instead of a traceback.

    Type checkers see the constructor as it is written.
    """
    known = [name for name in inspect.signature(init).parameters if name != "self"]

    @functools.wraps(init)
    def checked(*args: P.args, **kwargs: P.kwargs) -> None:
        problems = [Problem(name, no_such(name, known)) for name in kwargs if name not in known]
        if problems:
            subject = f"{type(args[0]).__name__} {args[1] if len(args) > 1 else ''!r}"
            raise pulumi.RunError(str(SpecError(subject, problems)))
        init(*args, **kwargs)

    return checked


def token(kind: str) -> str:
    """The type token of a component, such as `pilotlight:index:ModelEndpoint`."""
    return f"pilotlight:index:{kind}"


def given(**values: Any) -> dict[str, Any]:
    """Only what was set: a default belongs to the spec, not to the signature."""
    return {name: value for name, value in values.items() if value is not None}


def with_overrides(section: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` under the stack's own settings, `pilotlight:<section>: {<name>: {...}}`; nested settings are merged."""
    sections = pulumi.Config("pilotlight").get_object(section) or {}
    if not isinstance(sections, dict):
        raise PilotlightError(
            f"the setting pilotlight:{section} is {type(sections).__name__}",
            wanted="a mapping of names to settings",
        )
    return _merge(values, sections.get(name) or {})


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = _plain(merged.get(key))
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if isinstance(value, Spec) else value
