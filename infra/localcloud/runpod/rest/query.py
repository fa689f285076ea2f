"""Reads query parameters; what does not fit is a 422 that names the parameter."""

import re

from aiohttp import web

from infra.localcloud.runpod.rest.problems import invalid
from infra.localcloud.runpod.rest.times import parse_timestamp


def names(request: web.Request, parameter: str, allowed: tuple[str, ...]) -> list[str]:
    """A comma-separated list of members of a closed set."""
    return [_member(parameter, name, allowed) for name in _split(request, parameter)]


def patterned(request: web.Request, parameter: str, pattern: str) -> list[str]:
    """A comma-separated list of texts of one form."""
    found = _split(request, parameter)
    for name in found:
        if not re.fullmatch(pattern, name, re.ASCII):
            raise invalid([f"{parameter}: '{name}' does not match pattern '^{pattern}$'"])
    return found


def one(request: web.Request, parameter: str, allowed: tuple[str, ...]) -> str | None:
    value = request.query.get(parameter)
    return None if value is None else _member(parameter, value, allowed)


def whole(request: web.Request, parameter: str, minimum: int, maximum: int | None = None) -> int | None:
    value = request.query.get(parameter)
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,300}", value):
        raise invalid([f"{parameter}: got string, want integer"])
    if int(value) < minimum:
        raise invalid([f"{parameter}: minimum: got {value}, want {minimum}"])
    if maximum is not None and int(value) > maximum:
        raise invalid([f"{parameter}: maximum: got {value}, want {maximum}"])
    return int(value)


def moment(request: web.Request, parameter: str) -> float | None:
    value = request.query.get(parameter)
    if value is None:
        return None
    try:
        return parse_timestamp(value)
    except (ValueError, OverflowError) as error:
        raise invalid([f"{parameter}: '{value}' is not valid date-time"]) from error


def _split(request: web.Request, parameter: str) -> list[str]:
    return [name for name in request.query.get(parameter, "").split(",") if name]


def _member(parameter: str, value: str, allowed: tuple[str, ...]) -> str:
    if value in allowed:
        return value
    raise invalid([f"{parameter}: value must be one of {', '.join(repr(name) for name in allowed)}"])
