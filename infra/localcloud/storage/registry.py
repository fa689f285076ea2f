"""An OCI registry (distribution specification 1.1) on this machine: push, pull, resume, mount, list, delete.

Pulls are open to whoever reaches the loopback address; pushes and deletes need the cloud's registry password.
"""

import base64
import hmac
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from . import registry_manifests, registry_uploads
from .blobs import DIGEST, BlobStore
from .registry_errors import Handler, RegistryError, envelopes

USER = "pilotlight"
MANIFEST_LIMIT = 4 << 20  # bytes; what the specification asks registries to take at least
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME = re.compile(rf"(?=.{{1,255}}$){_COMPONENT}(?:/{_COMPONENT})*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Registry:
    """Images below `root`. `manifest` and `blob_path` are what workers are started from."""

    def __init__(self, root: Path, password: str) -> None:
        self.store = BlobStore(root)
        self.password = password

    def manifest(self, repo: str, reference: str) -> tuple[str, bytes] | None:
        """Media type and bytes of a tag or digest; None if the registry has no such manifest."""
        if not NAME.fullmatch(repo) or not (TAG.fullmatch(reference) or DIGEST.fullmatch(reference)):
            return None
        return self.store.manifest(repo, reference)

    def blob_path(self, digest: str) -> Path | None:
        """The file that holds a blob's content, already verified; read it, never write it."""
        return self.store.blob_path(digest) if DIGEST.fullmatch(digest) else None


def registry_app(registry: Registry, middlewares: Sequence[Any] = ()) -> web.Application:
    """The HTTP side. `middlewares` run first (the daemon puts its Host check there)."""
    app = web.Application(
        middlewares=[*middlewares, envelopes, _authenticate(registry.password), _check_names],
        client_max_size=MANIFEST_LIMIT,
    )
    store = registry.store

    async def root(request: web.Request) -> web.Response:
        return web.json_response({})

    async def catalog(request: web.Request) -> web.Response:
        return _page(request, "repositories", store.repositories(), {})

    async def tags(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not store.known(name):
            raise RegistryError(404, "NAME_UNKNOWN", f"no repository {name}")
        return _page(request, "tags", store.tags(name), {"name": name})

    app.router.add_get("/v2/", root)
    app.router.add_get("/v2", root)
    app.router.add_get("/v2/_catalog", catalog)
    app.router.add_get("/v2/{name:.+}/tags/list", tags)
    registry_uploads.add_routes(app.router, store)
    registry_manifests.add_routes(app.router, store)
    return app


def _authenticate(password: str) -> Any:
    expected = base64.b64encode(f"{USER}:{password}".encode()).decode()
    challenge = {"WWW-Authenticate": 'Basic realm="pilotlight local registry"'}

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode(), expected.encode())
        # Clients learn from the bare /v2/ whether credentials are wanted, so it asks for them; pulls do not.
        open_to_all = request.method in ("GET", "HEAD") and request.path.rstrip("/") != "/v2"
        if right or (open_to_all and not given):
            return await handler(request)
        message = (
            "wrong registry user or password"
            if given
            else "the registry's user and password are wanted (cloud.json, key registry)"
        )
        raise RegistryError(401, "UNAUTHORIZED", message, headers=challenge)

    return authenticate


@web.middleware
async def _check_names(request: web.Request, handler: Handler) -> web.StreamResponse:
    parts = request.match_info
    if "name" in parts and not NAME.fullmatch(parts["name"]):
        raise RegistryError(400, "NAME_INVALID", f"not a repository name: {parts['name']}")
    if "digest" in parts and not DIGEST.fullmatch(parts["digest"]):
        raise RegistryError(400, "DIGEST_INVALID", f"not a digest: {parts['digest']}")
    reference = parts.get("reference")
    if reference is None or TAG.fullmatch(reference) or DIGEST.fullmatch(reference):
        return await handler(request)
    code = "DIGEST_INVALID" if ":" in reference else "TAG_INVALID"
    raise RegistryError(400, code, f"neither a tag nor a digest: {reference}")


def _page(request: web.Request, key: str, names: list[str], more: dict[str, str]) -> web.Response:
    last = request.query.get("last", "")
    rest = [name for name in names if name > last]
    limit = request.query.get("n")
    if limit is None:
        return web.json_response({**more, key: rest})
    if not limit.isdecimal():
        raise RegistryError(400, "PAGINATION_NUMBER_INVALID", f"n must be a whole number >= 0, not {limit!r}")
    shown = rest[: int(limit)]
    headers = {}
    if shown and len(rest) > len(shown):
        following = request.rel_url.with_query(n=limit, last=shown[-1])
        headers["Link"] = f'<{following}>; rel="next"'
    return web.json_response({**more, key: shown}, headers=headers)
