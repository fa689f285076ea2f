"""The page at `/`: endpoints, workers, queue, cost so far, and a form that calls an endpoint."""

import asyncio
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from jinja2 import Environment, FileSystemLoader, select_autoescape

from . import modalview, overview, podview
from .assembly import Cloud
from .guard import Handler
from .process import peer_owner

CALL_S = 120.0


def routes(cloud: Cloud) -> list[web.RouteDef]:
    page = _Page(cloud)
    return [
        web.get("/", _for_owner(cloud, page.show)),
        web.get("/_local/overview", _for_owner(cloud, page.refresh)),
        web.post("/_local/call", _for_owner(cloud, page.call)),
    ]


def _for_owner(cloud: Cloud, handler: Handler) -> Handler:
    """The page needs no key, so on a machine that several people share it is for the one who started the cloud."""

    async def check(request: web.Request) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        owner = peer_owner(peer[1], cloud.ports["api"]) if peer else None
        if owner in (None, 0, os.getuid()):
            return await handler(request)
        return web.Response(
            status=403, text="Refused: this page is for the user who started the local cloud.\n"
        )

    return check


class _Page:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        # Only who could read the page knows it, and a page of another origin cannot read ours.
        self._token = secrets.token_urlsafe(24)
        loader = FileSystemLoader(Path(__file__).parent / "templates")
        self._templates = Environment(
            loader=loader, autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
        )

    async def show(self, request: web.Request) -> web.Response:
        return self._render(None)

    async def refresh(self, request: web.Request) -> web.Response:
        """The part that changes, which the page fetches again and again."""
        text = self._templates.get_template("overview.html").render(self._state())
        return web.Response(text=text, content_type="text/html")

    async def call(self, request: web.Request) -> web.Response:
        form = await request.post()
        given, endpoint_id, text = (str(form.get(name, "")) for name in ("token", "endpoint", "input"))
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return self._render(
                {"error": "This form is of an earlier start of the local cloud: send it again."}, 403
            )
        called = {"endpoint": endpoint_id, "input": text}
        if self._cloud.store.endpoint(endpoint_id) is None:
            return self._render({**called, "error": "There is no such endpoint any more."}, 404)
        try:
            payload = json.loads(text)
        except ValueError as error:
            return self._render({**called, "error": f"The input is not JSON: {error}"}, 400)
        try:
            answer = await self._run(endpoint_id, payload)
        except (ClientError, TimeoutError) as error:
            return self._render({**called, "error": f"No answer: {error or 'it took too long'}"}, 502)
        return self._render({**called, "answer": json.dumps(answer, indent=2, ensure_ascii=False)})

    async def _run(self, endpoint_id: str, payload: Any) -> Any:
        """As any client would, so that the page shows what a client sees."""
        root = f"{self._cloud.url}/v2/{endpoint_id}"
        headers = {"Authorization": f"Bearer {self._cloud.keys.api_key}"}
        async with (
            asyncio.timeout(CALL_S),
            ClientSession(headers=headers, timeout=ClientTimeout(total=CALL_S)) as session,
            session.post(f"{root}/runsync", json={"input": payload}) as response,
        ):
            return await response.json(content_type=None)

    def _render(self, call: dict[str, str] | None, status: int = 200) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        text = self._templates.get_template("page.html").render(
            **self._state(), token=self._token, nonce=nonce, call=call or {}
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(text=text, status=status, content_type="text/html", headers=headers)

    def _state(self) -> dict[str, Any]:
        cloud = self._cloud
        return {
            "url": cloud.url,
            "project": cloud.paths.root.name,
            "endpoints": overview.endpoints(cloud),
            "pods": podview.pods(cloud),
            "volumes": podview.volumes(cloud),
            "apps": modalview.apps(cloud.modal.world),
            "total_usd": overview.total_usd(cloud),
            "storage_ok": cloud.objectstore.healthy.is_set(),
            "faults": sorted(cloud.faults.active()),
        }
