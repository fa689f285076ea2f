"""The provider as a whole: its schema, its configuration, what it loads, and the classes that programs use."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.artifacts.__main__ import provider
from infra.artifacts.client import LOCAL_ALIAS, NoRegistry
from infra.artifacts.config import Config, Target, connect
from infra.kit import names
from infra.kit.context import ConnectContext, Subject
from infra.kit.engine import Engine
from infra.kit.model import specs
from infra.kit.schema import build
from tests.artifacts.engine import run

REPOSITORY = Path(__file__).parents[2]


def test_pulumi_itself_accepts_the_schema(tmp_path: Path) -> None:
    toolchain = REPOSITORY / ".pilotlight" / "toolchain.json"
    checker = json.loads(toolchain.read_text()).get("schemacheck") if toolchain.exists() else None
    if not checker or not Path(checker).exists():
        pytest.skip("schemacheck is missing: run `make setup`")
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(build(provider)))
    done = subprocess.run([checker, str(schema)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3 resources" in done.stdout


def test_secrets_are_secret_in_the_schema() -> None:
    variables = build(provider)["config"]["variables"]
    secret = {name for name, variable in variables.items() if variable.get("secret")}
    assert secret == {"secretAccessKey", "registryPassword"}


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys; from infra.artifacts.__main__ import provider\n"
        "[provider.resource(provider.token(key)) for key in provider.resources]\n"
        "print([m for m in ('boto3', 'botocore', 'httpx', 'aiohttp', 'jinja2', 'yaml', 'pulumi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", ["Bucket", "Weights", "Image"])
def test_a_programs_class_takes_exactly_the_inputs(name: str) -> None:
    from infra.artifacts import sdk

    cls: Any = getattr(sdk, name)
    resource = provider.resource(provider.token(name))
    assert resource is not None
    assert (cls.token, cls.names) == (provider.token(name), names.of_model(resource.State))
    parameters = inspect.signature(cls.__init__).parameters
    taken = {
        p.name: p.default is inspect.Parameter.empty for p in parameters.values() if p.kind is p.KEYWORD_ONLY
    }
    assert taken.pop("opts") is False
    assert taken == {spec.name: spec.required for spec in specs(resource.Inputs) if not spec.meta.computed}
    outputs = {spec.name for spec in specs(resource.State)} - {spec.name for spec in specs(resource.Inputs)}
    assert outputs <= set(cls.__annotations__)


def context(root: Path | None) -> ConnectContext:
    return ConnectContext(Subject(""), root, Engine())


def test_a_real_cloud_takes_what_it_is_given() -> None:
    async def body() -> None:
        config = Config(
            s3_endpoint="https://s3.example.com", region="auto", access_key_id="id", secret_access_key="canary",
            registry="https://ghcr.io/", registry_username="me", registry_password="canary",
        )  # fmt: skip
        client = await connect(config, context(None))
        assert not client.local
        assert client.store.settings.endpoint == "https://s3.example.com"
        registry = await client.registry()
        assert (registry.host, registry.http.url) == ("ghcr.io", "https://ghcr.io")
        assert "canary" not in repr(client)

    run(body())


def test_no_registry_is_named() -> None:
    async def body() -> None:
        client = await connect(Config(), context(None))
        with pytest.raises(NoRegistry, match="pilotlight-artifacts:registry"):
            await client.registry()

    run(body())


def test_the_local_cloud_is_found_by_its_file(tmp_path: Path) -> None:
    async def body() -> None:
        import os

        (tmp_path / ".pilotlight").mkdir()
        said = {
            "version": 1, "pid": os.getpid(), "url": "http://127.0.0.1:1", "runpod": {"api_key": "k"},
            "registry": {"url": "http://127.0.0.1:2", "host": "127.0.0.1:2", "password": "p"},
            "s3": {"url": "http://127.0.0.1:3", "access_key_id": "a", "secret_access_key": "s", "region": "us-east-1"},
        }  # fmt: skip
        (tmp_path / ".pilotlight" / "cloud.json").write_text(json.dumps(said))
        client = await connect(Config(target=Target.LOCAL), context(tmp_path))
        assert client.local
        assert client.store.settings.endpoint == "http://127.0.0.1:3"
        registry = await client.registry()
        assert (registry.host, registry.http.url) == (LOCAL_ALIAS, "http://127.0.0.1:2")

    run(body())
