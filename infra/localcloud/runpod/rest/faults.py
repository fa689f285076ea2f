"""Handlers of /_local/faults: see, set and call off the faults in force."""

from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from infra.localcloud.core.faults import Fault, Faults
from infra.localcloud.runpod.rest.problems import bad_request, invalid
from infra.localcloud.runpod.rest.schema import parse

_TABLE: TypeAdapter[dict[str, Fault]] = TypeAdapter(dict[str, Fault])


class FaultHandlers:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def list(self, request: web.Request) -> web.Response:
        """By name, `times` counted down; a spent one is gone."""
        faults = self._faults.active()
        return web.json_response({name: fault.model_dump(mode="json") for name, fault in faults.items()})

    async def replace(self, request: web.Request) -> web.Response:
        """Put these, by name, in place of all in force; {} calls all off. Not kept over a restart (settings are)."""
        try:
            faults = _TABLE.validate_python(await _object(request))
        except ValidationError as error:
            raise invalid(
                [f"$.{_path(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
            ) from error
        self._faults.replace(faults)
        return await self.list(request)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        value = parse(await request.read())
    except ValueError as error:
        raise bad_request(f"request body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise bad_request("request body must be an object")
    return value
