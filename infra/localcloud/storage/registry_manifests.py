"""Manifests of the registry: by tag and by digest, with everything that they refer to checked on push; referrers."""

import hashlib
import json
from typing import Any

from aiohttp import web

from .blobs import DIGEST, BlobStore
from .registry_errors import RegistryError

INDEX = "application/vnd.oci.image.index.v1+json"


def add_routes(router: web.UrlDispatcher, store: BlobStore) -> None:
    manifests = _Manifests(store)
    path = "/v2/{name:.+}/manifests/{reference}"
    router.add_get(path, manifests.read)
    router.add_put(path, manifests.write)
    router.add_delete(path, manifests.delete)
    router.add_get("/v2/{name:.+}/referrers/{digest}", manifests.referrers)


class _Manifests:
    def __init__(self, store: BlobStore) -> None:
        self.store = store

    async def read(self, request: web.Request) -> web.Response:
        media_type, content = self._found(request)
        reference = request.match_info["reference"]
        digest = reference if ":" in reference else _digest("sha256", content)
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
        return web.Response(body=content, headers=headers)

    async def write(self, request: web.Request) -> web.Response:
        name, reference = request.match_info["name"], request.match_info["reference"]
        content = await request.read()
        manifest = _parse(content)
        media_type = _media_type(request, manifest)
        self._check_references(name, manifest)
        by_digest = ":" in reference
        digest = _digest(reference.partition(":")[0] if by_digest else "sha256", content)
        if by_digest and reference != digest:
            raise RegistryError(400, "DIGEST_INVALID", f"announced {reference}, received {digest}")
        self.store.put_manifest(name, digest, media_type, content, None if by_digest else reference)
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
        subject = _descriptor_digest(manifest.get("subject"))
        if subject:
            headers["OCI-Subject"] = subject
        return web.Response(status=201, headers=headers)

    async def delete(self, request: web.Request) -> web.Response:
        name, reference = request.match_info["name"], request.match_info["reference"]
        self._found(request)
        if ":" in reference:
            self.store.delete_manifest(name, reference)
        else:
            self.store.delete_tag(name, reference)
        return web.Response(status=202)

    async def referrers(self, request: web.Request) -> web.Response:
        name, subject = request.match_info["name"], request.match_info["digest"]
        wanted = request.query.get("artifactType")
        found = []
        for digest, media_type, content in self.store.manifests(name):
            manifest = json.loads(content)
            if _descriptor_digest(manifest.get("subject")) != subject:
                continue
            kind = manifest.get("artifactType") or (manifest.get("config") or {}).get("mediaType")
            if wanted is None or kind == wanted:
                found.append(
                    {"mediaType": media_type, "digest": digest, "size": len(content), "artifactType": kind}
                    | ({"annotations": manifest["annotations"]} if "annotations" in manifest else {})
                )
        headers = {"Content-Type": INDEX, **({"OCI-Filters-Applied": "artifactType"} if wanted else {})}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found}
        return web.Response(body=json.dumps(index).encode(), headers=headers)

    def _found(self, request: web.Request) -> tuple[str, bytes]:
        name, reference = request.match_info["name"], request.match_info["reference"]
        found = self.store.manifest(name, reference)
        if found is None:
            raise RegistryError(404, "MANIFEST_UNKNOWN", f"no manifest {reference} in {name}")
        return found

    def _check_references(self, name: str, manifest: dict[str, Any]) -> None:
        blobs = [manifest.get("config"), *(manifest.get("layers") or [])]
        for blob in blobs:
            # A layer with `urls` lives elsewhere by design.
            if blob is None or (isinstance(blob, dict) and blob.get("urls")):
                continue
            if not self.store.holds(name, _required_digest(blob)):
                raise _unknown(_required_digest(blob))
        for child in manifest.get("manifests") or []:
            if self.store.manifest(name, _required_digest(child)) is None:
                raise _unknown(_required_digest(child))


def _digest(algorithm: str, content: bytes) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def _parse(content: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise RegistryError(400, "MANIFEST_INVALID", f"the manifest is not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("schemaVersion") != 2:
        raise RegistryError(400, "MANIFEST_INVALID", "a manifest is a JSON object with schemaVersion 2")
    return manifest


def _media_type(request: web.Request, manifest: dict[str, Any]) -> str:
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip()
    said = manifest.get("mediaType")
    if said and sent and said != sent:
        raise RegistryError(400, "MANIFEST_INVALID", f"mediaType is {said}, but Content-Type is {sent}")
    if not (said or sent):
        raise RegistryError(400, "MANIFEST_INVALID", "neither Content-Type nor mediaType says what this is")
    return str(sent or said)


def _required_digest(descriptor: Any) -> str:
    digest = _descriptor_digest(descriptor)
    if digest is None:
        raise RegistryError(400, "MANIFEST_INVALID", f"a descriptor has no digest: {json.dumps(descriptor)}")
    return digest


def _descriptor_digest(descriptor: Any) -> str | None:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else None


def _unknown(digest: str) -> RegistryError:
    return RegistryError(400, "MANIFEST_BLOB_UNKNOWN", f"push {digest} first", detail={"digest": digest})
