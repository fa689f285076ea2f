"""The provider as a process under the real engine: two workspaces in one stack, and a kill in the middle of a deployment."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.modal.running import TOKEN, RunningModal
from tests.modal.world import project

pytestmark = pytest.mark.xdist_group("engine")

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLCHAIN = REPOSITORY / ".pilotlight" / "toolchain.json"
PLUGIN = "pulumi-resource-pilotlight-modal"


class Stack:
    """The stack `dev` of a project whose provider is this checkout's."""

    def __init__(self, root: Path, cli: str) -> None:
        self.root, self._cli = root, cli
        self._env = {
            "PATH": f"{Path(cli).parent}:{os.environ['PATH']}",
            "HOME": str(root),
            "PULUMI_HOME": str(root / "home"),
            "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_STACK": "dev",
            "PYTHONPATH": str(REPOSITORY),
            "MODAL_TOKEN_ID": TOKEN.id,
            "MODAL_TOKEN_SECRET": TOKEN.secret,
        }
        plugin = root / "bin" / PLUGIN
        plugin.parent.mkdir()
        plugin.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
            "from infra.modal.__main__ import main\nmain()\n"
        )
        plugin.chmod(0o755)
        (root / "Pulumi.yaml").write_text(
            f"name: shop\nruntime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: {sys.prefix}\n"
            f"plugins:\n  providers:\n    - name: pilotlight-modal\n      path: {plugin.parent}\n"
        )
        (root / "state").mkdir()
        self.run("stack", "init", "dev", "--non-interactive")

    def program(self, body: str) -> None:
        (self.root / "__main__.py").write_text(
            f"import pulumi\nfrom infra.modal.sdk import App, Secret\n{body}\n"
        )

    def start(self, *args: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self._cli, *args],
            cwd=self.root,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, code: int | None = 0) -> str:
        process = self.start(*args)
        output, _ = process.communicate(timeout=120)
        assert code is None or process.returncode == code, output
        return output

    def up(self, code: int | None = 0) -> str:
        return self.run("up", "--yes", "--skip-preview", "--non-interactive", code=code)

    def outputs(self) -> dict[str, Any]:
        return dict(json.loads(self.run("stack", "output", "--json")))

    def state(self) -> str:
        return "".join(path.read_text() for path in (self.root / "state").rglob("*.json*"))


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    try:
        cli = json.loads(TOOLCHAIN.read_text())["pulumi"]
    except (OSError, KeyError, ValueError):
        pytest.skip(f"no Pulumi CLI: {TOOLCHAIN} names none (run `make setup`)")
    return Stack(project(tmp_path), cli)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Callable[[str], RunningModal]]:
    running: list[RunningModal] = []

    def start(name: str) -> RunningModal:
        running.append(RunningModal(tmp_path / name))
        return running[-1]

    yield start
    for one in running:
        one.close()


def provider(name: str, modal: RunningModal) -> str:
    url = f"http://127.0.0.1:{modal.port}"
    return f"{name} = pulumi.ProviderResource('pilotlight-modal', '{name}', {{'serverUrl': '{url}'}})\n"


def apps(modal: RunningModal) -> list[tuple[str, int]]:
    """Names and versions of what runs."""
    return modal.ask(lambda: [(app.name, app.version) for app in modal.world.apps.values() if app.running])


def test_two_workspaces_in_one_stack(stack: Stack, workspace: Callable[[str], RunningModal]) -> None:
    one, two = workspace("one"), workspace("two")
    body = provider("one", one) + provider("two", two)
    for name in ("one", "two"):
        body += (
            f"opts = pulumi.ResourceOptions(provider={name})\n"
            f"secret = Secret('{name}', name='store', values={{'KEY': pulumi.Output.secret('canary-{name}')}}, opts=opts)\n"
            f"app = App('{name}', name='search', source='search', tags={{'of': '{name}'}}, classes={{'Search': "
            f"{{'web': {{}}, 'secrets': [{{'name': secret.name}}]}}}}, opts=opts)\n"
            f"pulumi.export('{name}', app.url)\n"
        )
    stack.program(body)
    stack.up()
    for name, modal in (("one", one), ("two", two)):
        assert apps(modal) == [("search", 1)]
        (app,) = modal.ask(lambda modal=modal: list(modal.world.apps.values()))  # type: ignore[misc]
        assert app.tags["of"] == name
        assert stack.outputs()[name].startswith(modal.world.urls.web)
    assert "canary" not in stack.state()
    assert TOKEN.secret not in stack.state()
    assert "7 unchanged" in stack.up()
    out = stack.run("refresh", "--yes", "--skip-preview", "--non-interactive")
    assert "7 unchanged" in out, out
    assert "7 unchanged" in stack.up()
    stack.run("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert (apps(one), apps(two)) == ([], [])


def test_a_provider_killed_during_a_deployment_leaves_exactly_one_app(
    stack: Stack, workspace: Callable[[str], RunningModal]
) -> None:
    modal = workspace("one")
    app = "App('search', name='search', source='search', classes={'Search': {'web': {}}}, opts=opts)\n"
    stack.program(provider("one", modal) + f"opts = pulumi.ResourceOptions(provider=one)\n{app}")
    cli: list[subprocess.Popen[str]] = []
    handlers = modal.world.server._handlers
    publish = handlers["AppPublish"]

    async def kills(request: Any, call: Any) -> Any:
        """Does it, and the answer finds nobody there."""
        answer = await publish(request, call)  # type: ignore[misc]
        for pid in providers(cli[0].pid):
            os.kill(pid, signal.SIGKILL)
        handlers["AppPublish"] = publish
        return answer

    handlers["AppPublish"] = kills
    cli.append(stack.start("up", "--yes", "--skip-preview", "--non-interactive"))
    output, _ = cli[0].communicate(timeout=120)
    assert cli[0].returncode != 0, output
    assert apps(modal) == [("search", 1)]
    stack.up()
    assert apps(modal) == [("search", 1)]
    assert len(modal.ask(lambda: list(modal.world.apps.values()))) == 1
    assert "3 unchanged" in stack.up()


def providers(cli: int) -> list[int]:
    """This provider's processes below a running CLI."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == cli and PLUGIN.encode() in command:
            found.append(int(status.parent.name))
    return found
