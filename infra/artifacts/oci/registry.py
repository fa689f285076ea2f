"""A registry's blobs, manifests and tags (OCI distribution 1.1): push, resume, mount, pull, delete."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from infra.artifacts.journal import Journal, journal
from infra.artifacts.oci.auth import Login
from infra.artifacts.oci.http import (
    ATTEMPTS,
    FIRST_DELAY_S,
    RegistryError,
    RegistryHttp,
    RegistryUnreachable,
    Sleep,
)

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX_TYPES = (INDEX_TYPE, _DOCKER_INDEX)
_ACCEPT = ", ".join((MANIFEST_TYPE, INDEX_TYPE, _DOCKER_MANIFEST, _DOCKER_INDEX))
CHUNK = 16 << 20


class Stored(NamedTuple):
    """A manifest as the registry has it."""

    media_type: str
    content: bytes
    digest: str


class Registry:
    """One registry. `host` is what references call it; `url` where its API is."""

    def __init__(
        self,
        url: str,
        host: str,
        login: Login | None = None,
        *,
        local: bool = False,
        sleep: Sleep = asyncio.sleep,
        chunk: int = CHUNK,
    ) -> None:
        self.host = host
        self.http = RegistryHttp(url, host, login, local=local, sleep=sleep)
        self._chunk = chunk

    async def close(self) -> None:
        await self.http.close()

    async def has_blob(self, repo: str, digest: str, *, attempts: int = ATTEMPTS) -> bool:
        answer = await self.http.send(
            "HEAD", f"/v2/{repo}/blobs/{digest}", scope=pull(repo), accept=(200, 404), attempts=attempts
        )
        return answer.status_code == 200

    async def push_blob(
        self,
        repo: str,
        digest: str,
        file: Path,
        *,
        mount_from: str | None = None,
        journals: Path | None = None,
        sent: Callable[[int], None] = lambda count: None,
    ) -> bool:
        """Send a blob unless it is there; whether bytes were sent. A broken upload goes on where it stopped."""
        if await self.has_blob(repo, digest):
            return False
        with journal(journals, self.http.url, repo, digest) as notes:
            location = notes.notes.get("location")
            if not isinstance(location, str):
                location = await self._begin(repo, digest, mount_from, notes)
                if location is None:
                    return False
                await _Push(self, repo, digest, file, notes, sent, self._chunk).run(location, 0)
            else:
                await _Push(self, repo, digest, file, notes, sent, self._chunk).run(location, None)
            notes.forget()
        return True

    async def _begin(self, repo: str, digest: str, mount_from: str | None, notes: Journal) -> str | None:
        """The address of a new upload; None when the blob could be mounted from another repository instead."""
        parameters = {"mount": digest, "from": mount_from} if mount_from else None
        scope = f"{push(repo)} {pull(mount_from)}" if mount_from else push(repo)
        answer = await self.http.send(
            "POST",
            f"/v2/{repo}/blobs/uploads/",
            scope=scope,
            accept=(201, 202),
            parameters=parameters,
            content=b"",
        )
        if answer.status_code == 201 and mount_from:
            return None
        notes.notes["location"] = location = str(answer.url.join(answer.headers["Location"]))
        notes.save()
        return location

    async def pull_blob(self, repo: str, digest: str, file: Path) -> None:
        """Fetch a blob into `file`, verified, atomically; a file that is there is taken as it is."""
        if file.exists():
            return None
        file.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._pull(repo, digest, file)
            except RegistryUnreachable:
                if attempt == ATTEMPTS:
                    raise
            await self.http.sleep(FIRST_DELAY_S * 2.0 ** (attempt - 1))
        return None

    async def _pull(self, repo: str, digest: str, file: Path) -> None:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".pull-", delete=False) as temporary:
            try:
                hasher = hashlib.sha256()

                def write(chunk: bytes) -> None:
                    hasher.update(chunk)
                    temporary.write(chunk)

                await self.http.stream_to(f"/v2/{repo}/blobs/{digest}", pull(repo), write)
                if f"sha256:{hasher.hexdigest()}" != digest:
                    raise RegistryError(f"{self.host}/{repo}: blob {digest} arrived with other bytes")
                temporary.flush()
                os.replace(temporary.name, file)
            except BaseException:
                os.unlink(temporary.name)
                raise

    async def manifest(self, repo: str, selector: str) -> Stored | None:
        """A manifest by tag or digest, verified; None if it is not there."""
        answer = await self.http.send(
            "GET",
            f"/v2/{repo}/manifests/{selector}",
            scope=pull(repo),
            accept=(200, 404),
            headers={"Accept": _ACCEPT},
        )
        if answer.status_code == 404:
            return None
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if ":" in selector and digest != selector:
            raise RegistryError(f"{self.host}/{repo}: manifest {selector} arrived as {digest}")
        media_type = answer.headers.get("Content-Type", MANIFEST_TYPE).partition(";")[0]
        return Stored(media_type, answer.content, digest)

    async def put_manifest(
        self, repo: str, selector: str, content: bytes, media_type: str = MANIFEST_TYPE
    ) -> None:
        await self.http.send(
            "PUT",
            f"/v2/{repo}/manifests/{selector}",
            scope=push(repo),
            accept=(200, 201, 202),
            headers={"Content-Type": media_type},
            content=content,
        )

    async def delete_manifest(self, repo: str, selector: str) -> bool:
        """False when the registry does not offer this, or not to us. Missing counts as deleted."""
        try:
            await self.http.send(
                "DELETE", f"/v2/{repo}/manifests/{selector}", scope=delete(repo), accept=(200, 202, 204, 404)
            )
        except RegistryError as error:
            if error.status in (400, 401, 403, 405):
                return False
            raise
        return True

    async def tags(self, repo: str) -> list[str]:
        """Every tag of a repository; none if there is no such repository."""
        found: list[str] = []
        address: str | None = f"/v2/{repo}/tags/list?n=1000"
        while address is not None:
            answer = await self.http.send("GET", address, scope=pull(repo), accept=(200, 404))
            if answer.status_code == 404:
                return []
            found += answer.json().get("tags") or []
            link = answer.links.get("next", {}).get("url")
            address = str(answer.url.join(link)) if link else None
        return found

    async def others_hold(self, repo: str, digest: str, own_tag: str) -> bool:
        """Whether a tag other than ours points at this manifest."""
        gate = asyncio.Semaphore(8)

        async def points(tag: str) -> bool:
            async with gate:
                stored = await self.manifest(repo, tag)
            return stored is not None and stored.digest == digest

        return any(await asyncio.gather(*(points(tag) for tag in await self.tags(repo) if tag != own_tag)))


class _Push:
    """One blob on its way: in chunks when it is large, asking the registry after each fault how far it came."""

    def __init__(
        self,
        registry: Registry,
        repo: str,
        digest: str,
        file: Path,
        notes: Journal,
        sent: Callable[[int], None],
        chunk: int,
    ) -> None:
        self._registry = registry
        self._http = registry.http
        self._repo = repo
        self._digest = digest
        self._file = file
        self._size = file.stat().st_size
        self._notes = notes
        self._sent = sent
        self._chunk = chunk

    async def run(self, location: str, offset: int | None) -> None:
        """`offset` None: ask the registry first. Raises the last fault after so many without progress."""
        failures = 0
        while True:
            try:
                if offset is None:
                    if failures and await self._registry.has_blob(self._repo, self._digest, attempts=1):
                        return
                    location, offset = await self._progress(location)
                    self._sent(offset)
                if self._size - offset <= self._chunk:
                    await self._finish(location, offset)
                    return
                location, offset = await self._append(location, offset)
                failures = 0
            except RegistryError as error:
                failures += 1
                if failures >= ATTEMPTS or not (error.status in (0, 404, 416, 429) or error.status >= 500):
                    raise
                await self._http.sleep(FIRST_DELAY_S * 2.0 ** (failures - 1))
                offset = None

    async def _progress(self, location: str) -> tuple[str, int]:
        """Where to go on, and how many bytes the registry has; a new upload when it knows this one no more."""
        answer = await self._http.send(
            "GET", location, scope=push(self._repo), accept=(200, 202, 204, 404, 400), attempts=1
        )
        if answer.status_code in (404, 400):
            fresh = await self._registry._begin(self._repo, self._digest, None, self._notes)
            assert fresh is not None
            return fresh, 0
        return self._moved(answer.url, answer.headers, location)

    async def _append(self, location: str, offset: int) -> tuple[str, int]:
        body = await self._read(offset, self._chunk)
        answer = await self._http.send(
            "PATCH",
            location,
            scope=push(self._repo),
            accept=(201, 202, 204),
            attempts=1,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{offset}-{offset + len(body) - 1}",
            },
            content=body,
        )
        location, reached = self._moved(answer.url, answer.headers, location)
        self._notes.notes["location"] = location
        self._notes.save()
        self._sent(reached - offset)
        return location, reached

    async def _finish(self, location: str, offset: int) -> None:
        body = await self._read(offset, self._size - offset)
        await self._http.send(
            "PUT",
            location,
            scope=push(self._repo),
            accept=(201, 204),
            attempts=1,
            headers={"Content-Type": "application/octet-stream"},
            content=body,
            parameters={"digest": self._digest},
        )
        self._sent(len(body))

    def _moved(self, url: "object", headers: "object", location: str) -> tuple[str, int]:
        import httpx

        assert isinstance(url, httpx.URL)
        assert isinstance(headers, httpx.Headers)
        _, _, last = headers.get("Range", "0-0").partition("-")
        reached = int(last) + 1 if last.isdecimal() and last != "0" else 0
        return str(url.join(headers.get("Location", location))), min(reached, self._size)

    async def _read(self, offset: int, length: int) -> bytes:
        def work() -> bytes:
            with self._file.open("rb") as file:
                file.seek(offset)
                return file.read(length)

        return await asyncio.to_thread(work)


def pull(repo: str | None) -> str:
    return f"repository:{repo}:pull"


def push(repo: str) -> str:
    return f"repository:{repo}:pull,push"


def delete(repo: str) -> str:
    return f"repository:{repo}:pull,push,delete"
