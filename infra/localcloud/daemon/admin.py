"""`/_local/`: health for anyone on this machine; status, settings, logs and shutdown for who has the API key."""

import asyncio
import hmac
import json
import os
from dataclasses import asdict
from typing import Any

from aiohttp import web

from infra.spec.errors import PilotlightError

from . import podview
from .assembly import Cloud
from .guard import Handler
from .modalview import apps
from .overview import endpoints
from .process import resident_bytes


def routes(cloud: Cloud, stop: asyncio.Event) -> list[web.RouteDef]:
    def keyed(handler: Handler) -> Handler:
        async def check(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), cloud.keys.api_key.encode()):
                return _error(401, "the API key of cloud.json is wanted as bearer token")
            return await handler(request)

        return check

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "pid": os.getpid(), "objectStore": _objectstore(cloud)})

    async def status(request: web.Request) -> web.Response:
        return web.json_response(snapshot(cloud))

    async def read_settings(request: web.Request) -> web.Response:
        return web.json_response(cloud.settings.model_dump(mode="json"))

    async def change_settings(request: web.Request) -> web.Response:
        """Takes an object to merge, or `{"set": ["key=value", …]}` as the command line has it."""
        try:
            wanted = await request.json()
            if not isinstance(wanted, dict):
                return _error(400, "the body must be a JSON object")
            if set(wanted) == {"set"}:
                for assignment in wanted["set"]:
                    cloud.settings.set(assignment)
            else:
                cloud.settings.update(wanted)
        except json.JSONDecodeError as error:
            return _error(400, f"the body is not JSON: {error}")
        except PilotlightError as error:
            return _error(422, str(error))
        return await read_settings(request)

    async def shutdown(request: web.Request) -> web.Response:
        stop.set()
        return web.json_response({"status": "stopping"}, status=202)

    return [
        web.get("/_local/health", health),
        web.get("/_local/status", keyed(status)),
        web.get("/_local/settings", keyed(read_settings)),
        web.post("/_local/settings", keyed(change_settings)),
        web.post("/_local/shutdown", keyed(shutdown)),
    ]


def snapshot(cloud: Cloud) -> dict[str, Any]:
    """What `pilotlight cloud status --json` prints."""
    pids = [os.getpid(), *([cloud.objectstore.pid] if cloud.objectstore.pid else [])]
    return {
        "running": True,
        "pid": os.getpid(),
        "url": cloud.url,
        "uptimeSeconds": round(cloud.clock.now() - cloud.started_at, 1),
        "residentBytes": sum(resident_bytes(pid) for pid in pids),
        "registry": {"url": f"http://127.0.0.1:{cloud.ports['registry']}"},
        "objectStore": {
            "url": f"http://127.0.0.1:{cloud.ports['s3']}",
            "status": _objectstore(cloud),
            "pid": cloud.objectstore.pid,
            "restarts": cloud.objectstore.restarts,
        },
        "modal": {
            "url": cloud.modal.world.urls.server,
            "webUrl": cloud.modal.world.urls.web,
            "apps": [asdict(app) for app in apps(cloud.modal.world)],
        },
        "endpoints": [asdict(endpoint) for endpoint in endpoints(cloud)],
        "pods": [asdict(pod) for pod in podview.pods(cloud)],
        "volumes": [asdict(volume) for volume in podview.volumes(cloud)],
        "settings": cloud.settings.model_dump(mode="json", exclude_defaults=True),
    }


def _objectstore(cloud: Cloud) -> str:
    return "ok" if cloud.objectstore.healthy.is_set() else "down"


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
