"""The provider as a process under the real engine: two workspaces in one stack, and a kill in the middle of a deployment."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.project import QUIETLY, TOOLCHAIN, kill, pulumi_cli
from tests.localcloud.modal.running import TOKEN, RunningModal
from tests.modal.stack import Stack, apps, provider

APP = "pilotlight-modal:index:App"
pytestmark = pytest.mark.xdist_group("engine")


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    cli = pulumi_cli()
    if cli is None:
        pytest.skip(f"no Pulumi CLI: {TOOLCHAIN} names none (run `make setup`)")
    return Stack.make(tmp_path, cli)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Callable[[str], RunningModal]]:
    running: list[RunningModal] = []

    def start(name: str) -> RunningModal:
        running.append(RunningModal(tmp_path / name))
        return running[-1]

    yield start
    for one in running:
        one.close()


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
    assert "canary" not in stack.state_text()
    assert TOKEN.secret not in stack.state_text()
    assert "7 unchanged" in stack.up()
    out = stack.run("refresh", *QUIETLY)
    assert "7 unchanged" in out, out
    assert "7 unchanged" in stack.up()
    stack.run("destroy", *QUIETLY)
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
        for pid in stack.provider_pids(cli[0]):
            kill(pid)
        handlers["AppPublish"] = publish
        return answer

    handlers["AppPublish"] = kills
    cli.append(stack.start("up", *QUIETLY))
    output, _ = cli[0].communicate(timeout=120)
    assert cli[0].returncode != 0, output
    assert apps(modal) == [("search", 1)]
    stack.up()
    assert apps(modal) == [("search", 1)]
    assert len(modal.ask(lambda: list(modal.world.apps.values()))) == 1
    assert "3 unchanged" in stack.up()


def test_after_an_import_the_next_preview_is_empty_and_the_program_counts_from_then_on(
    stack: Stack, workspace: Callable[[str], RunningModal]
) -> None:
    modal = workspace("one")
    app = (
        "App('search', name='search', source='search', env=ENV, classes={'Search': {'web': {}}}, opts=opts)\n"
    )
    given = provider("one", modal) + f"opts = pulumi.ResourceOptions(provider=one)\n{app}"
    stack.program(given.replace("ENV", "{'WORD': 'hello'}"))
    stack.up()
    (resource,) = stack.resources(APP)
    stack.run("state", "delete", resource["urn"], "--yes")
    one = resource["provider"].rsplit("::", 1)[0]
    stack.run(
        "import", APP, "search", resource["id"], "--provider", f"one={one}", "--yes", "--protect=false",
        "--generate-code=false",
    )  # fmt: skip
    assert "3 unchanged" in stack.preview()
    assert "3 unchanged" in stack.up()
    (again,) = stack.resources(APP)
    assert again["inputs"]["source"] == "search"
    assert "3 unchanged" in stack.up()
    stack.program(given.replace("ENV", "{'WORD': 'good day'}"))
    assert "1 updated" in stack.up()
    assert apps(modal) == [("search", 2)]


@pytest.mark.parametrize("count", [8, pytest.param(100, marks=pytest.mark.campaign)])
def test_many_apps_in_one_up(
    stack: Stack, workspace: Callable[[str], RunningModal], count: int, request: pytest.FixtureRequest
) -> None:
    if count > 8 and "campaign" not in request.config.getoption("markexpr"):
        pytest.skip("a campaign of a hundred apps: run it with -m campaign")
    modal = workspace("one")
    stack.program(
        provider("one", modal) + f"opts = pulumi.ResourceOptions(provider=one)\nfor n in range({count}):\n"
        "    App(f'app{n}', name=f'app{n}', source='search', env={'N': str(n)}, classes={'Search': {}}, opts=opts)\n"
    )
    assert f"{count + 2} created" in stack.up()
    assert sorted(apps(modal)) == sorted((f"app{n}", 1) for n in range(count))
    assert f"{count + 2} unchanged" in stack.up()
    assert f"{count + 2} deleted" in stack.run("destroy", *QUIETLY)
    assert apps(modal) == []
