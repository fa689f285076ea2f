"""What the code in a pod sees of its disks, environment and ports: real processes."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from infra.localcloud.core import namespace
from infra.localcloud.runpod.model import PodStatus
from tests.localcloud.pods.conftest import Test, World

Real = Callable[[str, Test], None]
own_mounts = pytest.mark.skipif(bool(namespace.refusal()), reason=namespace.refusal() or "never skipped")

TOUCH = """
import os, sys
here = os.path.join(os.environ["HOME"], "seen")
for path in (here, *sys.argv[1:]):
    try:
        print(path.rpartition("/")[2], os.path.exists(path))
        open(path, "a").write("x")
    except OSError as error:
        print(path, error.strerror)
"""
SERVE = """
import http.server, os, sys, threading
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['RUNPOD_POD_ID']} {self.path}".encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *rest): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Hello)
print("up", flush=True)
server.serve_forever()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@own_mounts
def test_disks_are_at_their_paths_and_only_the_persistent_one_outlives_a_stop(real: Real) -> None:
    async def test(world: World) -> None:
        world.volumes.create("vol1")
        shared = world.images.image.cwd / "beside.txt"
        await world.apply(persistent=(20, "/workspace"), args=f"/workspace/a /app-not-there {shared}")
        assert await world.said() == ["seen False", "a False", "app-not-there False", "beside.txt False"]
        assert not shared.exists(), "a container wrote to the image that all share"
        await world.pods.restart(world.record.id)
        said = (await world.said())[-4:]
        assert said == ["seen False", "a True", "app-not-there False", "beside.txt False"]
        assert not os.path.exists("/app-not-there")
        assert (world.state / "pods" / world.record.id / "disk" / "a").read_text() == "xx"

        await world.apply(
            id="another", persistent=None, network_volume=("vol1", "/data/in/deep"), args="/data/in/deep/m"
        )
        assert await world.said() == ["seen False", "m False"]
        assert (world.volumes.path("vol1") / "m").read_text() == "x"
        await world.pods.remove("another")
        assert (world.volumes.path("vol1") / "m").exists(), "a network volume is not the pod's"

    real(TOUCH, test)


@own_mounts
@pytest.mark.parametrize(
    ("path", "what"),
    [("workspace", "wanted an absolute"), ("/proc/x", ""), ("/a/../usr", "needs what is there")],
)
def test_a_path_that_cannot_be_one_is_an_error(real: Real, path: str, what: str) -> None:
    async def test(world: World) -> None:
        await world.apply(persistent=(20, path))
        view = await world.status(PodStatus.ERROR)
        assert f"nothing can be mounted at {path!r}" in view.reason

    real(TOUCH, test)


@own_mounts
def test_a_disk_does_not_hide_what_the_container_is_made_of(real: Real) -> None:
    async def test(world: World) -> None:
        for version, path in enumerate((world.state, world.state.parent, Path(sys.base_prefix)), 1):
            await world.apply(persistent=(20, str(path)), version=version)
            view = await world.status(PodStatus.ERROR)
            assert f"nothing can be mounted at '{path}' on this machine" in view.reason

    real(TOUCH, test)


@own_mounts
def test_a_volume_that_is_gone_is_an_error(real: Real) -> None:
    async def test(world: World) -> None:
        await world.apply(network_volume=("vol9", "/workspace"))
        assert (await world.status(PodStatus.ERROR)).reason == "the network volume vol9 is gone"

    real(TOUCH, test)


def test_without_mount_namespaces_only_pods_without_disks_run(
    real: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace, "refusal", lambda: "this kernel allows none")

    async def test(world: World) -> None:
        await world.apply(persistent=(20, "/workspace"))
        view = await world.status(PodStatus.ERROR)
        assert view.reason.startswith("/workspace cannot be mounted here: this kernel allows none")
        await world.apply(persistent=None, version=2)
        assert (await world.status(PodStatus.EXITED)).exit_code == 0

    real(TOUCH, test)


def test_the_environment_is_what_runpod_gives(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_DAEMON", "leaks")

    async def test(world: World) -> None:
        world.secrets["hf_token"] = "{{ RUNPOD_SECRET_hf_token }}!"
        env = {
            "TOKEN": "a {{ RUNPOD_SECRET_hf_token }} b{{RUNPOD_SECRET_hf_token}}",
            "RUNPOD_POD_ID": "mine",
            "HOME": "/root",
        }
        world.volumes.create("vol1")
        volume = None if namespace.refusal() else ("vol1", "/workspace")
        await world.apply(
            env=env, cpu=({"id": "cpu3g", "vcpuCount": 4},), network_volume=volume, ports=("70000/tcp",)
        )
        seen = json.loads("".join(await world.said()))
        assert "OF_THE_DAEMON" not in seen
        assert seen["TOKEN"] == "a {{ RUNPOD_SECRET_hf_token }}! b{{ RUNPOD_SECRET_hf_token }}!"
        assert seen["HOME"] == str(world.state / "pods" / world.record.id / "container" / "home")
        assert seen["FROM_IMAGE"] == "yes"
        assert int(seen.pop("RUNPOD_TCP_PORT_70000")) > 0
        expected = {
            "RUNPOD_POD_ID": world.record.id,
            "RUNPOD_API_KEY": "local_key",
            "RUNPOD_API_BASE_URL": "http://127.0.0.1:1",
            "RUNPOD_DC_ID": "EU-RO-1",
            "RUNPOD_GPU_COUNT": "1",
            "RUNPOD_CPU_COUNT": "4",
            "RUNPOD_PUBLIC_IP": "127.0.0.1",
            "AWS_ACCESS_KEY_ID": "local",
        } | ({"RUNPOD_VOLUME_ID": "vol1"} if volume else {})
        assert {name: seen[name] for name in expected} == expected
        text = (world.state / "logs" / world.record.id / "pod.log").read_text()
        assert " system starting registry.pilotlight.internal/tune:1\n" in text

    real("import json, os; print(json.dumps(dict(os.environ)))", test)


def test_a_secret_that_is_missing_is_an_error_without_its_surroundings(real: Real) -> None:
    async def test(world: World) -> None:
        await world.apply(env={"URL": "https://me:{{ RUNPOD_SECRET_pass }}@host"})
        view = await world.status(PodStatus.ERROR)
        assert "URL refers to the secret 'pass', which does not exist" in view.reason
        assert "https" not in view.reason

    real("", test)


def test_ports_are_reached_by_a_port_of_their_own(real: Real) -> None:
    async def test(world: World) -> None:
        inside = free_port()
        await world.apply(ports=(f"{inside}/http", f"{inside}/tcp"), args=str(inside))
        mapping = (await world.status(PodStatus.RUNNING)).ports
        assert set(mapping) == {f"{inside}/http", f"{inside}/tcp"}
        url = f"http://127.0.0.1:{mapping[f'{inside}/http']}/x?y"
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                early = (answer.status, await answer.text())
            assert early in (
                (502, "Nothing in this pod listens on that port yet\n"),
                (200, f"{world.record.id} /x?y"),
            )
            following = world.pods.logs(world.record.id, tail=1000, after=None, follow=True)
            async for line in following:
                if line.line == "up":
                    break
            async with session.get(url) as answer:
                assert await answer.text() == f"{world.record.id} /x?y"

            first, view = world.record, world.view
            await world.apply(id="another", args=str(free_port()))
            await world.status(PodStatus.RUNNING)
            notes = [line.line for line in await world.lines() if "not forwarded" in line.line]
            assert notes[0] == f"port {inside}/http is not forwarded: a container of another pod has it"
            assert world.view.ports == {}

            await world.pods.remove(first.id)
            assert view.ports
            with pytest.raises(aiohttp.ClientError):
                await session.get(url)

    real(SERVE, test)


def test_a_port_of_another_program_is_left_alone(real: Real) -> None:
    async def test(world: World) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            inside = server.getsockname()[1]
            declared = (f"{inside}/tcp", "99999/http", "22", "x/udp")
            await world.apply(ports=declared)
            await world.status(PodStatus.EXITED)
            lines = [line.line for line in await world.lines(follow=True)]
        assert f"port {inside}/tcp is not forwarded: another program of this machine has it" in lines
        assert "port 22 is not forwarded: wanted such as 8888/http or 22/tcp" in lines

    real("", test)


@pytest.mark.parametrize("end", ["stop", "exit"])
def test_everything_a_pod_started_ends_with_it(real: Real, end: str) -> None:
    async def test(world: World) -> None:
        await world.apply(args=end)
        following = world.pods.logs(world.record.id, tail=1000, after=None, follow=True)
        children = (
            [int(line.line) async for line in following if line.line.isdigit()] if end == "exit" else []
        )
        if end == "stop":
            async for line in following:
                children += [int(line.line)] if line.line.isdigit() else []
                if len(children) == 2:
                    break
            await world.apply(running=False)
        assert len(children) == 2
        await world.until(lambda: all(_dead(child) for child in children))

    real(
        "import subprocess, sys, time\n"
        "for apart in (False, True):\n"
        "    command = [sys.executable, '-c', 'import time; time.sleep(1000)']\n"
        "    print(subprocess.Popen(command, start_new_session=apart).pid, flush=True)\n"
        "time.sleep(1000 if sys.argv[1] == 'stop' else 0)",
        test,
    )


def _dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_closing_does_not_wait_for_a_pod_that_does_not_listen(real: Real) -> None:
    async def test(world: World) -> None:
        await world.apply()
        following = world.pods.logs(world.record.id, tail=1000, after=None, follow=True)
        async for line in following:
            if line.line == "deaf":
                break
        pid = world.pods._pods[world.record.id]._process.pid  # type: ignore[union-attr]
        await asyncio.wait_for(world.pods.remove(world.record.id), 5)
        assert _dead(pid)

    real(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(1000)",
        test,
    )
