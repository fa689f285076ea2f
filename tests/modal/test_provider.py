"""The provider as a whole: its schema, its configuration, what it loads, and the classes that programs use."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.kit import names
from infra.kit.context import ConnectContext, Subject
from infra.kit.engine import Engine
from infra.kit.model import specs
from infra.kit.schema import build
from infra.modal.__main__ import provider
from infra.modal.config import Config, Target, connect
from infra.modal.errors import NoToken
from infra.spec.errors import PilotlightError

REPOSITORY = Path(__file__).parents[2]
NAMES = ["App", "Volume", "Secret", "Environment", "Dict", "Queue", "NetworkFileSystem"]


def test_pulumi_itself_accepts_the_schema(tmp_path: Path) -> None:
    toolchain = REPOSITORY / ".pilotlight" / "toolchain.json"
    checker = json.loads(toolchain.read_text()).get("schemacheck") if toolchain.exists() else None
    if not checker or not Path(checker).exists():
        pytest.skip("schemacheck is missing: run `make setup`")
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(build(provider)))
    done = subprocess.run([checker, str(schema)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "7 resources" in done.stdout


def test_secrets_are_secret_in_the_schema() -> None:
    schema = build(provider)
    secret = {name for name, variable in schema["config"]["variables"].items() if variable.get("secret")}
    assert secret == {"tokenSecret"}
    assert schema["resources"]["pilotlight-modal:index:Secret"]["inputProperties"]["values"]["secret"] is True
    old = schema["types"]["pilotlight-modal:index:AppClass"]["properties"]["containerIdleTimeout"]
    assert "scaledownWindowS" in old["deprecationMessage"]


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys; from infra.modal.__main__ import provider\n"
        "[provider.resource(provider.token(key)) for key in provider.resources]\n"
        "heavy = ('modal', 'modal_proto', 'grpclib', 'images', 'jinja2', 'yaml', 'pulumi', 'aiohttp')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_programs_class_takes_exactly_the_inputs(name: str) -> None:
    from infra.modal import sdk

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


@pytest.mark.anyio
async def test_a_real_cloud_wants_a_token_and_says_where_it_looked() -> None:
    with pytest.raises(NoToken, match="MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"):
        await connect(Config(token_id="ak-1"), context(None))
    client = await connect(Config(token_id="ak-1", token_secret="as-canary"), context(None))
    assert "tokenSecret" in client.access.source
    assert "as-canary" not in repr(client.access)


@pytest.mark.anyio
async def test_the_local_target_takes_address_and_token_from_the_checkout(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    (tmp_path / ".pilotlight").mkdir()
    said: dict[str, Any] = {
        "pid": os.getpid(),
        "url": "u",
        "runpod": {"api_key": "k"},
        "registry": {"url": "u", "host": "h"},
        "s3": {"url": "u", "access_key_id": "a", "secret_access_key": "s", "region": "r"},
    }
    record = tmp_path / ".pilotlight" / "cloud.json"
    record.write_text(json.dumps(said))
    with pytest.raises(PilotlightError, match="has no Modal"):
        await connect(Config(target=Target.LOCAL), context(tmp_path))
    modal = {"server_url": "http://127.0.0.1:9", "token_id": "ak-x", "token_secret": "as-x", "web_url": "w"}
    record.write_text(json.dumps(said | {"modal": modal}))
    client = await connect(Config(target=Target.LOCAL), context(tmp_path))
    assert (client.access.server_url, client.access.token_id) == ("http://127.0.0.1:9", "ak-x")
    with pytest.raises(PilotlightError, match=r"no Pulumi\.yaml"):
        await connect(Config(target=Target.LOCAL), context(None))


def test_a_developers_own_modal_configuration_is_not_used(tmp_path: Path) -> None:
    """Another profile, token and address in the home directory and in the environment."""
    (tmp_path / ".modal.toml").write_text(
        '[default]\ntoken_id = "ak-theirs"\ntoken_secret = "as-theirs"\nserver_url = "http://127.0.0.1:1"\n'
    )
    code = (
        "import asyncio\n"
        "from infra.modal.errors import Unavailable\n"
        "from infra.modal.client import Access, ModalClient\n"
        "async def main():\n"
        "    client = ModalClient(Access('http://127.0.0.1:2', 'ak-ours', 'as-ours', 'x'), environment=None, root=None)\n"
        "    try:\n"
        "        await asyncio.wait_for(client.open(), 1)\n"  # the client would try for a minute
        "    except (Unavailable, TimeoutError):\n"
        "        print(True)\n"
        "    from modal.config import config\n"
        "    print(config['server_url'], config['token_id'], config['environment'])\n"
        "asyncio.run(main())\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MODAL_TOKEN_ID": "ak-theirs",
        "MODAL_TOKEN_SECRET": "as-theirs",
        "MODAL_ENVIRONMENT": "theirs",
        "MODAL_PROFILE": "theirs",
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, env=environment
    )
    assert done.stdout.split() == ["True", "http://127.0.0.1:2", "None", "None"], done.stderr
