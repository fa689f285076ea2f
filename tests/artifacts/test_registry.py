"""The registry client against the local cloud's registry: chunks, resume, mount, faults, logins."""

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from infra.artifacts.oci import reference
from infra.artifacts.oci.auth import Login, docker_login, parse_challenge
from infra.artifacts.oci.http import RegistryError, RegistryUnreachable
from infra.artifacts.oci.registry import Registry
from tests.artifacts.engine import run
from tests.artifacts.oci_server import OciServer
from tests.artifacts.servers import no_wait

MIB = 1 << 20


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[OciServer]:
    server = OciServer(tmp_path / "registry")
    await server.up()
    try:
        yield server
    finally:
        await server.down()


def blob(tmp_path: Path, size: int) -> tuple[Path, str]:
    file = tmp_path / "blob"
    file.write_bytes(os.urandom(size))
    return file, f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 5 * MIB + 7])
def test_a_blob_arrives_whole(tmp_path: Path, size: int) -> None:
    async def body() -> None:
        async with served(tmp_path) as server:
            client, (file, digest) = server.client(), blob(tmp_path, size)
            assert await client.push_blob("app", digest, file, journals=tmp_path / "journal")
            assert not await client.push_blob("app", digest, file)
            copy = tmp_path / "copy"
            await client.pull_blob("app", digest, copy)
            assert copy.read_bytes() == file.read_bytes()
            assert not list((tmp_path / "journal").iterdir())
            await client.close()

    run(body())


def test_a_push_goes_on_within_the_run_when_a_connection_breaks(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(tmp_path) as server:
            client, (file, digest) = server.client(), blob(tmp_path, 5 * MIB + 7)
            broken = 0

            async def breaking(request: web.Request) -> None:
                nonlocal broken
                if request.method in ("PATCH", "PUT") and broken < 4 and len(server.requests) % 2:
                    broken += 1
                    assert request.transport is not None
                    request.transport.abort()
                    raise web.HTTPBadGateway

            server.before = breaking
            assert await client.push_blob("app", digest, file)
            assert broken
            assert server.count("POST") == 2  # one without a login, one with
            assert await client.has_blob("app", digest)
            await client.close()

    run(body())


def test_a_push_goes_on_in_the_next_run_when_the_registry_went_down(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(tmp_path) as server:
            file, digest = blob(tmp_path, 6 * MIB)
            client, patches = server.client(), 0

            async def dying(request: web.Request) -> None:
                nonlocal patches
                if request.method == "PATCH":
                    patches += 1
                    if patches == 4:
                        assert request.transport is not None
                        request.transport.abort()
                        asyncio.get_running_loop().create_task(server.down())
                        await asyncio.Event().wait()

            server.before = dying
            with pytest.raises(RegistryUnreachable, match="goes on where it stopped"):
                await client.push_blob("app", digest, file, journals=tmp_path / "journal")
            await client.close()
            server.before = None
            server.requests.clear()
            await server.up()
            client = server.client()
            assert await client.push_blob("app", digest, file, journals=tmp_path / "journal")
            assert server.count("POST") == 0
            assert server.count("PATCH") + server.count("PUT") == 3
            assert await client.has_blob("app", digest)
            await client.close()

    run(body())


def test_a_noted_upload_that_the_registry_forgot_starts_anew(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(tmp_path) as server:
            client, (file, digest) = server.client(), blob(tmp_path, 3 * MIB)
            from infra.artifacts.journal import journal

            with journal(tmp_path / "journal", server.url, "app", digest) as notes:
                notes.notes["location"] = f"{server.url}/v2/app/blobs/uploads/{'0' * 32}"
                notes.save()
            assert await client.push_blob("app", digest, file, journals=tmp_path / "journal")
            assert await client.has_blob("app", digest)
            await client.close()

    run(body())


def test_a_blob_of_another_repository_is_mounted_not_sent(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(tmp_path) as server:
            client, (file, digest) = server.client(), blob(tmp_path, 3 * MIB)
            await client.push_blob("base", digest, file)
            server.requests.clear()
            assert not await client.push_blob("app", digest, file, mount_from="base")
            assert server.count("PATCH") + server.count("PUT") == 0
            assert await client.has_blob("app", digest)
            await client.close()

    run(body())


def test_wrong_logins_are_named_without_their_password(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(tmp_path) as server:
            client, (file, digest) = server.client(password="canary-password"), blob(tmp_path, 10)
            with pytest.raises(RegistryError, match=r"does not accept user 'pilotlight' \(401\)") as caught:
                await client.push_blob("app", digest, file)
            assert "registryPassword" in str(caught.value)
            assert "canary" not in str(caught.value)
            await client.close()
            anonymous = Registry(server.url, "r", None, local=True, sleep=no_wait)
            with pytest.raises(RegistryError, match="asks for a login"):
                await anonymous.push_blob("app", digest, file)
            await anonymous.close()

    run(body())


def test_a_dead_registry_is_named(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(tmp_path) as server:
            client = server.client()
            await server.down()
            with pytest.raises(RegistryUnreachable, match="does not answer"):
                await client.has_blob("app", "sha256:" + "0" * 64)
            await client.close()

    run(body())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_asked_again(tmp_path: Path, status: int) -> None:
    async def body() -> None:
        async with served(tmp_path) as server:
            refused = 0

            async def busy(request: web.Request) -> None:
                nonlocal refused
                if refused < 3:
                    refused += 1
                    raise _status(status)

            server.before = busy
            client, (file, digest) = server.client(), blob(tmp_path, 10)
            assert await client.push_blob("app", digest, file)
            assert refused == 3
            await client.close()

    run(body())


def test_the_token_flow_is_followed_once_a_scope(tmp_path: Path) -> None:
    """A registry that wants a bearer token, and the service that gives one for a login."""

    async def body() -> None:
        asked: list[tuple[str, str]] = []

        async def token(request: web.Request) -> web.Response:
            asked.append((request.query["scope"], request.headers.get("Authorization", "")))
            return web.json_response({"token": "t-" + request.query["scope"].rsplit(":", 1)[-1]})

        async def head(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") == "Bearer t-pull":
                return web.Response(status=404)
            realm = f'Bearer realm="{request.url.origin()}/token",service="reg",scope="repository:app:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": realm})

        app = web.Application()
        app.router.add_get("/token", token)
        app.router.add_route("*", "/v2/{rest:.*}", head)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        client = Registry(url, "reg", Login("me", "secret"), local=True, sleep=no_wait)
        try:
            for _ in range(2):
                assert not await client.has_blob("app", "sha256:" + "0" * 64)
            assert asked == [("repository:app:pull", "Basic " + base64.b64encode(b"me:secret").decode())]
        finally:
            await client.close()
            await runner.cleanup()

    run(body())


def test_a_challenge_is_read_with_commas_in_its_values() -> None:
    challenge = parse_challenge('Bearer realm="https://a/token",service="b",scope="repository:x:pull,push"')
    assert challenge.scheme == "bearer"
    assert challenge.parameters == {
        "realm": "https://a/token",
        "service": "b",
        "scope": "repository:x:pull,push",
    }


AUTH = base64.b64encode(b"me:pass:word").decode()


@pytest.mark.parametrize(
    ("config", "host", "login"),
    [
        ({"auths": {"ghcr.io": {"auth": AUTH}}}, "ghcr.io", Login("me", "pass:word")),
        ({"auths": {"https://ghcr.io": {"auth": AUTH}}}, "ghcr.io", Login("me", "pass:word")),
        ({"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}}, "docker.io", Login("me", "pass:word")),
        ({"auths": {"ghcr.io": {"identitytoken": "t"}}}, "ghcr.io", Login("<token>", "t")),
        ({"auths": {"ghcr.io": {}}}, "ghcr.io", None),
        ({"auths": {"other.io": {"auth": AUTH}}}, "ghcr.io", None),
        ({"credHelpers": {"ghcr.io": "test"}}, "ghcr.io", Login("helped", "secret")),
        ({"credsStore": "test", "auths": {"ghcr.io": {}}}, "ghcr.io", Login("helped", "secret")),
        ({"credsStore": "absent", "auths": {"ghcr.io": {"auth": AUTH}}}, "ghcr.io", Login("me", "pass:word")),
        ([], "ghcr.io", None),
    ],
)
def test_dockers_logins_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Any, host: str, login: Login | None
) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text('#!/bin/sh\ncat > /dev/null\necho \'{"Username": "helped", "Secret": "secret"}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    assert docker_login(host, file) == login
    assert docker_login(host, tmp_path / "nowhere.json") is None


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("python", ("docker.io", "library/python", "latest", None)),
        ("me/app:1", ("docker.io", "me/app", "1", None)),
        ("ghcr.io/me/app", ("ghcr.io", "me/app", "latest", None)),
        ("localhost:5000/app:v1", ("localhost:5000", "app", "v1", None)),
        ("127.0.0.1:5000/a/b@sha256:" + "a" * 64, ("127.0.0.1:5000", "a/b", None, "sha256:" + "a" * 64)),
        ("ghcr.io/app:1@sha256:" + "b" * 64, ("ghcr.io", "app", "1", "sha256:" + "b" * 64)),
    ],
)
def test_references_are_read(text: str, parsed: tuple[Any, ...]) -> None:
    assert tuple(reference.parse(text)) == parsed


@pytest.mark.parametrize(
    "text", ["", "UPPER/app", "app@sha256:short", "app:", "ghcr.io/", "a b", "https://ghcr.io/app"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(reference.BadReference):
        reference.parse(text)


def _status(code: int) -> web.HTTPException:
    kinds = {429: web.HTTPTooManyRequests, 500: web.HTTPInternalServerError, 503: web.HTTPServiceUnavailable}
    return kinds[code]()
