"""Images against the local cloud's registry, driven as the engine drives them."""

import asyncio
import importlib
import io
import json
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from aiohttp import web

from infra.artifacts.client import Client
from infra.artifacts.recipe import running_python
from tests.artifacts.engine import Entry, Run, engine, run, urn
from tests.artifacts.makers import write_sdist, write_wheel
from tests.artifacts.oci_server import OciServer
from tests.artifacts.servers import S3Server, no_wait

HANDLER = """\
class Model:
    def load(self, weights): ...
    def predict(self, request): return {"echo": request}
"""
TOOLCHAIN = Path(__file__).parents[2] / ".pilotlight" / "toolchain.json"


def tools() -> dict[str, Any]:
    if not TOOLCHAIN.exists():
        pytest.skip("uv and the wheelhouse are missing: run `make setup`")
    noted: dict[str, Any] = json.loads(TOOLCHAIN.read_text())
    return noted


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "project")


def project(folder: Path) -> Path:
    """A project with a handler and a wheelhouse of two small packages."""
    (folder / "handler").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "handler" / "model.py").write_text(HANDLER)
    wheelhouse = folder / "wheelhouse"
    write_wheel(wheelhouse, "tiny")
    write_wheel(wheelhouse, "other")
    (folder / ".pilotlight").mkdir()
    noted = {"uv": tools().get("uv"), "wheelhouse": str(wheelhouse)}
    (folder / ".pilotlight" / "toolchain.json").write_text(json.dumps(noted))
    return folder


@pytest.fixture
def small_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The template without its hundred packages."""
    none = tmp_path / "none.txt"
    none.write_text("")
    module = importlib.import_module("images.render")
    small = replace(module.TEMPLATES["runpod"], requirements=none)
    monkeypatch.setattr(module, "TEMPLATES", {"runpod": small})


@asynccontextmanager
async def running(tmp_path: Path, root: Path, **more: Any) -> AsyncIterator[tuple[Run, OciServer]]:
    server = OciServer(tmp_path / "registry")
    await server.up()
    try:
        async with engine(client(server), root, **more) as up:
            yield up, server
    finally:
        await server.down()


def client(server: OciServer, *, local: bool = True) -> Client:
    from infra.artifacts.store import ObjectStore, StoreSettings

    return Client(ObjectStore(StoreSettings()), server.settings(), local=local, sleep=no_wait)


def given(**more: Any) -> dict[str, Any]:
    return {"handler": "handler", "repository": "app", **more}


async def contents(server: OciServer, digest: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """An image as a worker gets it: its config, and the files of its layers, later ones on top."""
    registry = server.client()
    try:
        stored = await registry.manifest("app", digest)
        assert stored is not None
        manifest = json.loads(stored.content)
        files: dict[str, bytes] = {}
        for layer in manifest["layers"]:
            blob = server.root.parent / f"pulled-{layer['digest'][-8:]}"
            await registry.pull_blob("app", layer["digest"], blob)
            with tarfile.open(blob) as tar:
                for member in tar:
                    if member.isfile():
                        body = tar.extractfile(member)
                        assert body is not None
                        files[member.name] = body.read()
        config = server.root.parent / "config"
        config.unlink(missing_ok=True)
        await registry.pull_blob("app", manifest["config"]["digest"], config)
        return json.loads(config.read_bytes()), files
    finally:
        await registry.close()


@pytest.mark.usefixtures("small_template")
def test_an_image_goes_through_its_whole_life(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            image = Entry(urn("Image", "search"))
            assert await up.up(image, {"handler": "handler", "requirements": ["tiny==1.0"]}) == "create"
            repository, digest = image.outputs["repository"], image.outputs["digest"]
            assert repository.startswith("search-")
            assert image.id == f"{repository}@{digest}"
            assert image.outputs["ref"] == f"registry.pilotlight.internal/{repository}@{digest}"
            assert str(server.port) not in json.dumps(image.outputs)
            wish = {"handler": "handler", "requirements": ["tiny==1.0"]}
            assert await up.up(image, wish) == "same"
            assert await up.refresh(image)
            assert await up.up(image, wish) == "same"
            await up.destroy(image)
            assert not await up.refresh(replace(image))
            await up.destroy(image)

    run(body())


@pytest.mark.usefixtures("small_template")
def test_what_is_in_the_image(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            image = Entry(urn("Image"))
            (root / "extra.txt").write_text("extra")
            wish = given(
                requirements=["tiny==1.0"], env={"MODE": "fast"}, files={"/data/extra.txt": "extra.txt"}
            )
            await up.up(image, wish)
            config, files = await contents(server, image.outputs["digest"])
            assert config["config"]["Entrypoint"] == ["python3", "-u", "/app/rp_handler.py"]
            assert config["config"]["WorkingDir"] == "/app"
            env = dict(item.split("=", 1) for item in config["config"]["Env"])
            assert env["PYTHONPATH"] == "/app:/opt/pilotlight/site"
            assert env["PYTHONDONTWRITEBYTECODE"] == "1"
            assert env["MODE"] == "fast"
            labels = config["config"]["Labels"]
            assert labels["dev.pilotlight.python"] == running_python()
            assert labels["dev.pilotlight.template"] == "runpod@1"
            assert labels["dev.pilotlight.source"] == image.inputs["sourceHash"]
            assert files["app/handler/model.py"].decode() == HANDLER
            assert "app/rp_handler.py" in files
            assert "app/pilotlight_runtime/__init__.py" in files
            assert files["data/extra.txt"] == b"extra"
            site = {name.removeprefix("opt/pilotlight/site/") for name in files if name.startswith("opt/")}
            assert {"tiny.py", "tiny-1.0.dist-info/METADATA"} <= site
            assert any(name.endswith(".pyc") for name in site)
            assert not {
                name
                for name in site
                if name.endswith(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"))
            }
            assert not {name for name in site if name.startswith(("bin/", "."))}

    run(body())


def test_a_jobs_image_runs_functions_and_needs_no_handler_class(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            (root / "job").mkdir()
            (root / "job" / "train.py").write_text("def train(steps): ...\n")
            image = Entry(urn("Image"))
            wish = given(handler="job", template="runpod-job", functions=["train.py:train"])
            await up.up(image, wish)
            config, files = await contents(server, image.outputs["digest"])
            assert config["config"]["Entrypoint"] == ["python3", "-u", "/app/job.py"]
            assert config["config"]["Labels"]["dev.pilotlight.template"] == "runpod-job@1"
            assert "app/handler/train.py" in files
            assert "app/pilotlight_runtime/pod_entry.py" in files
            assert not {name for name in files if "runpod_" in name or name.startswith("opt/")}
            failures = await up.failures(urn("Image"), {**wish, "functions": ["train.py:tune"]})
            assert "no function tune" in failures["functions[0]"][0]

    run(body())


@pytest.mark.usefixtures("small_template")
def test_the_same_input_makes_the_same_digest_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two checkouts, nothing shared but the input: other directories, other times, other caches."""

    async def body() -> None:
        digests = []
        for name in ("one", "two"):
            root = project(tmp_path / name / "project")
            monkeypatch.setenv("PILOTLIGHT_CACHE", str(tmp_path / name / "cache"))
            async with running(tmp_path / name, root, instance=name * 2 + "xx") as (up, _):
                image = Entry(urn("Image", name))
                await up.up(image, given(requirements=["tiny==1.0", "other==1.0"]))
                digests.append(image.outputs["digest"])
        assert digests[0] == digests[1]

    run(body())


@pytest.mark.usefixtures("small_template")
@pytest.mark.parametrize("change", ["handler", "env", "packages", "files"])
def test_a_change_makes_another_image_and_sends_only_its_layer(
    tmp_path: Path, root: Path, change: str
) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            image = Entry(urn("Image"))
            (root / "extra.txt").write_text("extra")
            wish = given(requirements=["tiny==1.0"], files={"/data/extra.txt": "extra.txt"})
            await up.up(image, wish)
            before, source = image.outputs["digest"], image.inputs["sourceHash"]
            if change == "handler":
                (root / "handler" / "model.py").write_text(HANDLER + "# changed\n")
            elif change == "env":
                wish["env"] = {"A": "1"}
            elif change == "packages":
                wish["requirements"] = ["tiny==1.0", "other==1.0"]
            else:
                (root / "extra.txt").write_text("other")
            server.requests.clear()
            assert await up.up(image, wish) == "replace"
            assert image.outputs["digest"] != before
            assert image.inputs["sourceHash"] != source
            assert server.count("PUT /v2/app/blobs/uploads") == (1 if change == "env" else 2)
            assert await up.refresh(image)
            registry = server.client()
            assert await registry.manifest("app", before) is None
            await registry.close()

    run(body())


@pytest.mark.usefixtures("small_template")
def test_nothing_is_built_or_sent_for_what_is_known(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_building(*_: Any) -> None:
        raise AssertionError("a layer was built again")

    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            await up.up(Entry(urn("Image", "one")), given(requirements=["tiny==1.0"]))
            monkeypatch.setattr("infra.artifacts.oci.layers.write_layer", no_building)
            server.requests.clear()
            await up.up(Entry(urn("Image", "two")), given(requirements=["tiny==1.0"]))
            assert server.count("POST") == 0

    run(body())


@pytest.mark.usefixtures("small_template")
def test_two_resources_may_hold_the_very_same_image(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            one, two = Entry(urn("Image", "one")), Entry(urn("Image", "two"))
            await up.up(one, given())
            await up.up(two, given())
            assert one.id == two.id
            await up.destroy(one)
            assert await up.refresh(two)
            await up.destroy(two)
            registry = server.client()
            assert await registry.tags("app") == []
            assert await registry.manifest("app", two.id.partition("@")[2]) is None
            await registry.close()

    run(body())


@pytest.mark.usefixtures("small_template")
def test_a_replacement_by_the_same_content_survives_its_predecessor(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            image = Entry(urn("Image"))
            await up.up(image, given())
            assert await up.up(image, given(), replace=True) == "replace"
            assert await up.refresh(image)
            assert await up.up(image, given()) == "same"
            old = Entry(image.urn, image.id, dict(image.inputs), dict(image.outputs))
            replacing = await up.driver.check(given(), {}, image.urn, randomSeed=b"other")
            image.id, image.outputs = await up.driver.create(replacing, image.urn)
            image.inputs = replacing
            async with engine(
                client(server), root
            ) as later:  # killed half way: another process does the delete
                await later.destroy(old)
                assert await later.refresh(image)
                assert await later.up(image, given()) == "same"

    run(body())


@pytest.mark.usefixtures("small_template")
@pytest.mark.parametrize("status", [401, 403, 405])
def test_a_registry_that_deletes_nothing_gets_a_warning(tmp_path: Path, root: Path, status: int) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            image = Entry(urn("Image"))
            await up.up(image, given())

            async def refusing(request: web.Request) -> None:
                if request.method == "DELETE":
                    raise {401: web.HTTPUnauthorized, 403: web.HTTPForbidden, 405: _not_allowed}[status]()

            server.before = refusing
            await up.destroy(image)
            assert any("does not let us delete images" in line for line in await up.told())

    run(body())


def _not_allowed() -> web.HTTPMethodNotAllowed:
    return web.HTTPMethodNotAllowed("DELETE", ["GET"])


@pytest.mark.usefixtures("small_template")
def test_the_next_up_goes_on_after_the_registry_went_down(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            puts = 0

            async def dying(request: web.Request) -> None:
                nonlocal puts
                puts += request.method == "PUT"
                if puts == 2:
                    assert request.transport is not None
                    request.transport.abort()
                    asyncio.get_running_loop().create_task(server.down())
                    await asyncio.Event().wait()

            server.before = dying
            image = Entry(urn("Image"))
            with pytest.raises(grpc.aio.AioRpcError, match="does not answer"):
                await up.up(image, given(requirements=["tiny==1.0"]))
            assert not image.id
            server.before = None
            await server.up()
            server.requests.clear()
            assert await up.up(image, given(requirements=["tiny==1.0"])) == "create"
            assert (
                server.count("PUT /v2/app/blobs/uploads") == 2
            )  # the app layer and the config; not the packages
            assert await up.refresh(image)

    run(body())


@pytest.mark.usefixtures("small_template")
def test_what_the_registry_lost_shows_as_drift_and_is_sent_again(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            image = Entry(urn("Image"))
            await up.up(image, given(requirements=["tiny==1.0"]))
            layer = image.outputs["layers"][0]["digest"]
            registry = server.client()
            await registry.http.send("DELETE", f"/v2/app/blobs/{layer}", scope="x", accept=(202,))
            await registry.close()
            assert await up.refresh(image)
            assert image.outputs["missing"] == [layer]
            assert await up.up(image, given(requirements=["tiny==1.0"])) == "update"
            assert await up.refresh(image)
            assert image.outputs["missing"] == []

    run(body())


@pytest.mark.usefixtures("small_template")
def test_an_imported_image_needs_no_change(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, _):
            image = Entry(urn("Image"))
            await up.up(image, given())
            imported = Entry(urn("Image", "imported"), image.id)
            assert await up.refresh(imported)
            inputs = await up.driver.check(given(), imported.inputs, imported.urn)
            answer = await up.driver.diff(imported.id, imported.inputs, inputs, imported.urn)
            assert not answer.replaces
            assert set(answer.diffs) <= {"handler"}

    run(body())


@pytest.mark.usefixtures("small_template")
def test_an_image_on_a_base_mounts_its_layers(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            base, image = Entry(urn("Image", "base")), Entry(urn("Image"))
            await up.up(
                base, {"handler": "handler", "repository": "base", "files": {"/base.txt": "Pulumi.yaml"}}
            )
            server.requests.clear()
            await up.up(image, given(base=base.outputs["ref"], requirements=["tiny==1.0"]))
            assert len(image.outputs["layers"]) == 3
            assert image.outputs["layers"][0] == base.outputs["layers"][0]
            _, files = await contents(server, image.outputs["digest"])
            assert {"base.txt", "opt/pilotlight/site/tiny.py"} <= files.keys()
            assert server.count("PUT /v2/app/blobs/uploads") == 3  # packages, app, config

    run(body())


@pytest.mark.usefixtures("small_template")
def test_a_real_cloud_needs_a_base(tmp_path: Path, root: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, root) as (_, server), engine(client(server, local=False), root) as cloud:
            with pytest.raises(grpc.aio.AioRpcError, match="the image has no base"):
                await cloud.up(Entry(urn("Image")), given())

    run(body())


@pytest.mark.parametrize(
    ("make", "wish", "where", "reason"),
    [
        ("rm", {}, "handler", "model.py: not found"),
        ("class Other: ...\n", {}, "handler", "no class Model"),
        ("def (", {}, "handler", "invalid syntax"),
        (None, {"handler": "nowhere"}, "handler", "does not exist"),
        (None, {"repository": "Upper"}, "repository", "is no repository"),
        (None, {"python": "3"}, "python", "is no minor version"),
        (None, {"base": "UPPER/x"}, "base", "is not an image reference"),
        (None, {"requirements": ["numpy"]}, "requirements", "is not pinned"),
        (None, {"requirementsFile": "nowhere.txt"}, "requirementsFile", "No such file"),
        (None, {"requirements": [], "requirementsFile": "x"}, "requirementsFile", "beside `requirements`"),
        (None, {"files": {"/x": "nowhere"}}, "files", "does not exist"),
        (None, {"template": "nothing"}, "template", "runpod"),
        (None, {"sourceHash": "sha256:1"}, "sourceHash", "is computed"),
    ],
)
def test_a_bad_input_is_refused_where_it_stands(
    tmp_path: Path, root: Path, make: str | None, wish: dict[str, Any], where: str, reason: str
) -> None:
    async def body() -> None:
        if make == "rm":
            (root / "handler" / "model.py").unlink()
        elif make is not None:
            (root / "handler" / "model.py").write_text(make)
        async with running(tmp_path, root) as (up, _):
            failures = await up.failures(urn("Image"), given(**wish))
            assert reason in " ".join(failures[where])

    run(body())


@pytest.mark.usefixtures("small_template")
def test_a_package_without_a_wheel_is_refused_by_name_and_never_run(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        write_sdist(root / "wheelhouse", "onlysource")
        # An index that is out of reach: what the wheelhouse says is what counts.
        monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        async with running(tmp_path, root) as (up, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await up.up(Entry(urn("Image")), given(requirements=["onlysource==1.0"]))
            text = str(caught.value.details())
            assert "onlysource" in text
            assert "no wheel" in text
            assert "setup.py was run" not in text

    run(body())


@pytest.mark.usefixtures("small_template")
def test_an_installer_sees_no_secret_of_the_provider(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        seen = tmp_path / "environment"
        spy = tmp_path / "uv"
        spy.write_text(f"#!/bin/sh\nenv > {seen}\nexit 1\n")
        spy.chmod(0o755)
        noted = {"uv": str(spy), "wheelhouse": str(root / "wheelhouse")}
        (root / ".pilotlight" / "toolchain.json").write_text(json.dumps(noted))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-one")
        monkeypatch.setenv("PULUMI_CONFIG", '{"x": "canary-two"}')
        async with running(tmp_path, root) as (up, _):
            with pytest.raises(grpc.aio.AioRpcError):
                await up.up(Entry(urn("Image")), given(requirements=["tiny==1.0"]))
        assert "canary" not in seen.read_text()

    run(body())


def test_the_real_template_is_built_from_the_wheelhouse(
    tmp_path: Path, root: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole of it: RunPod's SDK and its hundred packages, without an index."""
    noted = tools()
    if not Path(noted.get("wheelhouse") or "/nowhere").is_dir():
        pytest.skip("the wheelhouse is missing: run `make setup`")
    (root / ".pilotlight" / "toolchain.json").write_text(json.dumps(noted))
    monkeypatch.setenv("UV_NO_INDEX", "1")

    async def body() -> None:
        async with running(tmp_path, root) as (up, server):
            image = Entry(urn("Image"))
            await up.up(image, given())
            _, files = await contents(server, image.outputs["digest"])
            assert "opt/pilotlight/site/runpod/__init__.py" in files
            assert any("pushing the image" in line for line in await up.told())
            assert io.BytesIO(files["app/rp_handler.py"]).read()

    run(body())
