"""The provider as a process under the real engine: all kinds in one stack, killed in each creation, imported at once."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.project import QUIETLY, TOOLCHAIN, Project, kill, pulumi_cli
from tests.runpod.running import RunningRunPod
from tests.runpod.world import KEY

pytestmark = pytest.mark.xdist_group("engine")

PROGRAM = """
import pulumi
from infra.runpod.sdk import Endpoint, NetworkVolume, Pod, Registry, Secret, Template, get_endpoint, get_gpu_classes
hf = Secret("hf", name="hf-token", value=pulumi.Output.secret("canary-value"))
ghcr = Registry("ghcr", name="ghcr", username="bot", password=pulumi.Output.secret("canary-password"))
w = NetworkVolume("w", name="weights", size_gb=50, data_center="EU-RO-1", force_destroy=True)
base = Template("base", name="base", image="i", registry_id=ghcr.id)
tune = Pod("tune", name="tune", image="i", gpu={"id": "NVIDIA L4"}, registry_id=ghcr.id,
           env={"TOKEN": hf.reference}, network_volume={"id": w.id}, network_volume_data_center=w.data_center)
chat = Endpoint("chat", name="chat", type="LOAD_BALANCER", image="i", gpu={"pools": ["AMPERE_24"]},
                env={"TOKEN": hf.reference}, registry_id=ghcr.id, ports=["8000/http"], network_volumes=[w.id],
                network_volume_data_centers=[w.data_center])
pulumi.export("url", chat.url)
pulumi.export("cheapest", get_gpu_classes(pool="AMPERE_24").apply(lambda found: found["gpus"][0]["id"]))
"""
NAMES = {
    "Secret": "hf",
    "Registry": "ghcr",
    "NetworkVolume": "w",
    "Template": "base",
    "Pod": "tune",
    "Endpoint": "chat",
}
ROWS = {
    "Secret": "secrets",
    "Registry": "registries",
    "NetworkVolume": "volumes",
    "Template": "templates",
    "Pod": "pods",
    "Endpoint": "endpoints",
}


@pytest.fixture
def runpod(tmp_path: Path) -> Iterator[RunningRunPod]:
    running = RunningRunPod(tmp_path)
    yield running
    running.close()


@pytest.fixture
def stack(tmp_path: Path, runpod: RunningRunPod) -> Project:
    cli = pulumi_cli()
    if cli is None:
        pytest.skip(f"no Pulumi CLI: {TOOLCHAIN} names none (run `make setup`)")
    stack = Project(
        tmp_path,
        cli,
        "pilotlight-runpod",
        "infra.runpod.__main__:main",
        RUNPOD_API_KEY=KEY,
        RUNPOD_API_BASE_URL=runpod.url,
    )
    stack.lay_out()
    stack.init()
    (stack.directory / "__main__.py").write_text(PROGRAM)
    return stack


def ids(stack: Project) -> dict[str, str]:
    state = json.loads(stack.run("stack", "export"))["deployment"]["resources"]
    return {
        item["type"].rsplit(":", 1)[-1]: item["id"]
        for item in state
        if item["type"].startswith("pilotlight-runpod:")
    }


def counts(runpod: RunningRunPod) -> dict[str, int]:
    return {kind: len(runpod.all(rows)) for kind, rows in ROWS.items()}


def test_all_kinds_in_one_stack_and_taken_over_by_import(stack: Project, runpod: RunningRunPod) -> None:
    assert "to create" in stack.preview()
    # The data function is a question that a preview asks too; nothing else is.
    assert set(runpod.requests) <= {"GET /v2/catalog/gpus"}
    out = stack.up()
    assert "7 created" in out, out
    assert counts(runpod) == dict.fromkeys(ROWS, 1)
    assert stack.outputs()["url"] == f"{runpod.url}/lb/{runpod.all('endpoints')[0]['id']}"
    assert "canary" not in stack.state_text()
    out = stack.up("--refresh")
    assert "7 unchanged" in out, out

    # Everything forgotten and imported in one go.
    known = ids(stack)
    exported = json.loads(stack.run("stack", "export"))
    exported["deployment"]["resources"] = [
        item
        for item in exported["deployment"]["resources"]
        if not item["type"].startswith("pilotlight-runpod:")
    ]
    (stack.directory / "forgotten.json").write_text(json.dumps(exported))
    stack.run("stack", "import", "--file", "forgotten.json")
    wanted = [
        {"type": f"pilotlight-runpod:index:{kind}", "name": NAMES[kind], "id": id}
        for kind, id in known.items()
    ]
    (stack.directory / "import.json").write_text(json.dumps({"resources": wanted}))
    stack.run(
        "import",
        "-f",
        "import.json",
        "--yes",
        "--protect=false",
        "--generate-code=false",
        "--skip-preview",
        "--non-interactive",
    )
    out = stack.preview()
    assert "7 unchanged" in out, out
    out = stack.up()
    assert "7 unchanged" in out, out
    assert ids(stack) == known
    # From now on the program counts: a new password is a new credential, and what uses it moves over.
    changed = PROGRAM.replace("canary-password", "canary-other")
    (stack.directory / "__main__.py").write_text(changed)
    out = stack.up()
    assert "1 replaced" in out, out
    assert [row["registry"] for row in runpod.all("pods")] == [runpod.all("registries")[0]["id"]]
    assert counts(runpod) == dict.fromkeys(ROWS, 1)
    assert "canary" not in stack.state_text()
    # The import left forceDestroy to the program, which has set it since.
    out = stack.run("destroy", *QUIETLY)
    assert counts(runpod) == dict.fromkeys(ROWS, 0), out


def test_a_provider_killed_in_each_creation_leaves_exactly_one_of_each(
    stack: Project, runpod: RunningRunPod
) -> None:
    waves = [
        {"POST /v2/registries", "POST /v2/network-volumes", "secretCreate"},
        {"POST /v2/templates", "POST /v2/pods", "POST /v2/serverless"},
    ]
    cli: list[subprocess.Popen[str]] = []
    struck = [asyncio.Event(), asyncio.Event()]

    async def strike(request: str) -> None:
        """Done, and held; when all of a wave are, the provider dies with all their answers on the way."""
        for wave, dead in zip(waves, struck, strict=True):
            for what in [one for one in wave if one == request or (one == "secretCreate" and one in request)]:
                wave.discard(what)
                if not wave:
                    for pid in stack.provider_pids(cli[-1]):
                        kill(pid)
                    dead.set()
                await dead.wait()

    runpod.after = strike
    for code in (255, 255, 0):
        cli.append(stack.start("up", *QUIETLY))
        output, _ = cli[-1].communicate(timeout=120)
        assert (cli[-1].returncode == 0) == (code == 0), output
    assert waves == [set(), set()]
    assert counts(runpod) == dict.fromkeys(ROWS, 1)
    assert ids(stack) == {kind: runpod.all(rows)[0]["id"] for kind, rows in ROWS.items()}
    assert "7 unchanged" in stack.up()
