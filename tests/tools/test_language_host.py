"""Programs, policy packs and dynamic resources through the language host that stands beside the CLI."""

import json
import os
import signal
import time
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("engine")


@pytest.fixture
def project(checkout: Any, tools: Any) -> Any:
    """A checkout whose backend and passphrase are said, so that nothing but the host is under test."""
    if tools.pulumi_origin != "built":
        pytest.skip("the Pulumi CLI was not built here, so it runs a language host that is not ours")
    state = checkout.root / "home/state"
    state.mkdir()
    checkout.env |= {"PULUMI_BACKEND_URL": f"file://{state}", "PULUMI_CONFIG_PASSPHRASE": "a passphrase"}
    checkout.pulumi("stack", "init", "dev")
    return checkout


def test_a_program_gets_its_configuration_and_gives_its_outputs(project: Any) -> None:
    project.pulumi("config", "set", "--secret", "word", "CANARY")
    project.program("""
        import pulumi, os, sys
        config = pulumi.Config()
        pulumi.export("colour", config.require("colour"))
        pulumi.export("word", config.require_secret("word"))
        pulumi.export("stack", [pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.is_dry_run()])
        pulumi.export("where", [os.path.basename(os.getcwd()), sys.prefix])
    """)
    shown = project.pulumi("up", "--yes", "--skip-preview")
    outputs = json.loads(project.pulumi("stack", "output", "--json", "--show-secrets"))
    assert outputs["colour"] == "green"
    assert outputs["word"] == "CANARY"
    assert "CANARY" not in shown
    assert outputs["stack"] == ["pilotlight", "dev", False]
    assert outputs["where"] == ["stacks", str(project.root / ".venv")]


def test_an_exception_is_told_once_with_the_users_own_lines(project: Any) -> None:
    project.program("def burn():\n    raise ValueError('no gas')\n\nburn()\n")
    said = project.pulumi("preview", code=1)
    assert said.count("ValueError: no gas") == 1
    assert 'stacks/__main__.py", line 4' in said
    assert "exited with code" not in said


def test_an_exit_code_is_reported(project: Any) -> None:
    project.program("import sys\nprint('about to leave')\nsys.exit(3)\n")
    said = project.pulumi("preview", code=1)
    assert "about to leave" in said
    assert "the program exited with code 3" in said


def test_a_missing_environment_is_named(project: Any) -> None:
    settings = project.root / "Pulumi.yaml"
    settings.write_text(settings.read_text().replace("virtualenv: .venv", "virtualenv: .elsewhere"))
    assert f"no Python at {project.root}/.elsewhere/bin/python" in project.pulumi("preview", code=1)


def test_ctrl_c_stops_a_blocked_program_at_once_and_quietly(project: Any) -> None:
    began = project.pipe("began")
    project.program(f"open({str(began)!r}, 'w').write('x')\nimport threading\nthreading.Event().wait()\n")
    run = project.start("up", "--yes", "--skip-preview")
    assert began.open().read() == "x"
    others = project.processes()
    assert len(others) >= 3, "wanted the CLI, its language host and the program"
    interrupted = time.monotonic()
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=30)
    assert time.monotonic() - interrupted < 3.0
    assert run.returncode != 0
    assert "KeyboardInterrupt" not in said
    assert project.survivors(others, 1.0) == []


def test_nothing_outlives_a_killed_engine(project: Any) -> None:
    began = project.pipe("began")
    project.program(f"open({str(began)!r}, 'w').write('x')\nimport threading\nthreading.Event().wait()\n")
    run = project.start("up", "--yes", "--skip-preview")
    assert began.open().read() == "x"
    others = project.processes()
    run.kill()
    run.communicate(timeout=30)
    assert project.survivors(others, 3.0) == []


def test_output_held_open_by_a_process_left_behind_does_not_block(project: Any) -> None:
    stop = project.pipe("stop")
    project.program(f"""
        import subprocess
        subprocess.Popen(["cat", {str(stop)!r}], start_new_session=True)
    """)
    project.pulumi("preview")
    os.close(os.open(stop, os.O_WRONLY))


def test_dynamic_resources_work_below_the_project_directory(project: Any) -> None:
    project.program("""
        import pulumi.dynamic as d

        class Provider(d.ResourceProvider):
            def create(self, props):
                return d.CreateResult("an-id", {"twice": props["value"] * 2})

        class Twice(d.Resource):
            twice: object
            def __init__(self, name, value):
                super().__init__(Provider(), name, {"value": value, "twice": None})

        import pulumi
        pulumi.export("twice", Twice("t", 21).twice)
    """)
    project.pulumi("up", "--yes", "--skip-preview")
    assert json.loads(project.pulumi("stack", "output", "--json"))["twice"] == 42


PACK = """
import os, sys, grpc
from concurrent.futures import ThreadPoolExecutor
from pulumi.runtime.proto import analyzer_pb2 as a, analyzer_pb2_grpc, plugin_pb2

class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    def GetAnalyzerInfo(self, request, context):
        return a.AnalyzerInfo(name="p", version="1.0.0", policies=[a.PolicyInfo(name="no-stash", enforcementLevel=1)])
    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")
    def Configure(self, request, context):
        from google.protobuf.empty_pb2 import Empty
        return Empty()
    def Analyze(self, request, context):
        if request.type != "pulumi:index:Stash":
            return a.AnalyzeResponse()
        told = " ".join(os.environ[k] for k in ("PULUMI_PROJECT", "PULUMI_STACK", "PULUMI_DRY_RUN", "PULUMI_CONFIG"))
        return a.AnalyzeResponse(diagnostics=[a.AnalyzeDiagnostic(policyName="no-stash", policyPackName="p",
            policyPackVersion="1.0.0", message="refused knowing " + told, enforcementLevel=1, urn=request.urn)])
    def AnalyzeStack(self, request, context):
        return a.AnalyzeResponse()

server = grpc.server(ThreadPoolExecutor(4))
analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Pack(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


def test_a_policy_pack_knows_the_stack_and_stops_what_it_refuses(project: Any) -> None:
    pack = project.root / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text(
        "name: p\nruntime:\n  name: python\n  options:\n    virtualenv: ../.venv\n"
    )
    (pack / "__main__.py").write_text(PACK)
    project.program("import pulumi\npulumi.Stash('s', input=1)\n")
    began = time.monotonic()
    said = project.pulumi("preview", "--policy-pack", str(pack), code=1)
    assert time.monotonic() - began < 10, "the engine had to kill what should have ended by itself"
    assert "refused knowing pilotlight dev true" in said
    assert '"pilotlight:colour":"green"' in said


def test_about_and_install_leave_the_environment_alone(project: Any) -> None:
    about = json.loads(project.pulumi("about", "--json"))
    assert {"name": "pytest-xdist", "version": about_version("pytest-xdist")} in about["dependencies"]
    before = (project.root / ".venv/pyvenv.cfg").read_text()
    assert "its lock file says what belongs in it" in project.real("install")
    assert (project.root / ".venv/pyvenv.cfg").read_text() == before


def about_version(name: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(name)


def test_a_python_sdk_is_generated_for_a_schema(project: Any) -> None:
    schema = {
        "name": "toy",
        "version": "1.0.0",
        "resources": {"toy:index:Thing": {"description": "A thing."}},
    }
    (project.root / "schema.json").write_text(json.dumps(schema))
    project.pulumi("package", "gen-sdk", "./schema.json", "--language", "python", "--out", "home/sdk")
    assert "class Thing(" in (project.root / "home/sdk/python/pulumi_toy/thing.py").read_text()
