"""Handlers of /_local: what only the local cloud has, its settings and its faults."""

from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from infra.localcloud.core.faults import Fault
from infra.localcloud.core.settings import SettingsError
from infra.localcloud.runpod.rest.problems import bad_request, invalid
from infra.localcloud.runpod.rest.schema import parse
from infra.localcloud.runpod.rest.service import RestService

_FAULTS = TypeAdapter(dict[str, Fault])


class AdminHandlers:
    def __init__(self, service: RestService) -> None:
        self._service = service

    async def settings(self, request: web.Request) -> web.Response:
        return web.json_response(self._service.settings.model_dump(mode="json"))

    async def change_settings(self, request: web.Request) -> web.Response:
        """Merge an object of settings (null takes a key of a table away)."""
        try:
            self._service.settings.update(await _object(request))
        except SettingsError as error:
            raise bad_request(str(error)) from error
        return await self.settings(request)

    async def faults(self, request: web.Request) -> web.Response:
        """Those in force, `times` counted down."""
        faults = self._service.faults.active()
        return web.json_response({name: fault.model_dump(mode="json") for name, fault in faults.items()})

    async def set_faults(self, request: web.Request) -> web.Response:
        """Put these faults, by name, in place of those in force; {} calls all off. Not kept over a restart."""
        try:
            faults = _FAULTS.validate_python(await _object(request), strict=False)
        except ValidationError as error:
            raise invalid(
                [f"$.{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
            ) from error
        self._service.faults.replace(faults)
        return await self.faults(request)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        value = parse(await request.read())
    except ValueError as error:
        raise bad_request(f"request body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise bad_request("request body must be an object")
    return value
