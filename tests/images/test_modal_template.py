"""What the Modal template makes: one module, the same everywhere, that runs a handler as the contract says."""

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import images
from images import ImageError, RenderOptions, render
from images.modal import (
    ModalApp,
    ModalImage,
    ModalMount,
    ModalRetries,
    ModalSchedule,
    ModalSecret,
    ModalService,
    ModalWeb,
    WebKind,
)

ECHO = "class Model:\n    def load(self, weights): self.at = weights\n    def predict(self, request): return request\n"
STREAM = (
    "class Model:\n"
    "    def load(self, weights): ...\n"
    "    def predict(self, request):\n"
    "        for n in range(request['n']):\n"
    "            yield n\n"
)
ROOT = Path(__file__).parents[2]


def module(directory: Path, app: ModalApp | None = None) -> tuple[str, str]:
    ((name, text),) = render("modal", directory, RenderOptions(app=app)).items()
    return name, text.decode()


def search(directory: Path, image: ModalImage | None = None, **settings: Any) -> ModalApp:
    return ModalApp(
        "search",
        image=image or ModalImage(),
        classes=(ModalService("Search", **settings),),
        root=directory,
    )


def test_one_module_named_by_its_content(handler):
    directory = handler(ECHO)
    name, text = module(directory)
    assert re.fullmatch(r"pl_[0-9a-f]{20}\.py", name)
    assert (name, text) == module(directory)
    (directory / "model.py").write_text(ECHO + "# later\n")
    assert module(directory)[0] != name


def test_another_place_and_another_name_make_no_other_module(handler):
    one, other = handler(ECHO), handler(ECHO, "elsewhere")
    names = {
        module(one, ModalApp("a", classes=(ModalService("M"),), root=one))[0],
        module(other, ModalApp("b", classes=(ModalService("M"),), root=other.parent))[0],
        module(one, ModalApp("a", classes=(ModalService("M", options={"min_containers": 3}),), root=one))[0],
    }
    assert len(names) == 1


def test_settings_become_modals_own_keywords(handler):
    directory = handler(**{"model.py": ECHO, "words.txt": "a"})
    image = ModalImage(
        apt=("git",),
        pip=("numpy==2.4.6",),
        commands=("true",),
        env={"B": "2", "A": "1"},
        files={"/data/words.txt": "words.txt"},
    )
    app = search(
        directory,
        image,
        options={"gpu": ["L4", "A10"], "timeout": 60},
        volumes={"/v": ModalMount("files", "a", True), "/w": ModalMount("more")},
        network_file_systems={"/n": "old"},
        secrets=(ModalSecret("store", ("KEY",)),),
        retries=ModalRetries(2),
        max_inputs=8,
        target_inputs=4,
        web=ModalWeb(label="find", requires_proxy_auth=True),
    )
    _, text = module(directory, app)
    for line in (
        "modal.Image.debian_slim(python_version='3.11').apt_install('git').uv_pip_install('numpy==2.4.6')"
        ".run_commands('true').env({'A': '1', 'B': '2'})",
        ".add_local_file(_local('words.txt'), '/data/words.txt')",
        "    gpu=['L4', 'A10'],",
        "    timeout=60,",
        "modal.Volume.from_name('files').with_mount_options(read_only=True, sub_path='a')",
        "'/w': modal.Volume.from_name('more')}",
        "network_file_systems={'/n': modal.NetworkFileSystem.from_name('old')}",
        "secrets=[modal.Secret.from_name('store', required_keys=['KEY'])]",
        "retries=modal.Retries(max_retries=2,",
        "@modal.concurrent(max_inputs=8, target_inputs=4)",
        "@modal.asgi_app(label='find', requires_proxy_auth=True)",
    ):
        assert line in text, line
    ast.parse(text)


def test_an_image_chain_has_the_packages_that_the_oci_image_has(handler):
    """One handler, both renderings: the OCI image of another cloud only has that cloud's own worker besides."""
    from infra.artifacts import recipe, requirements

    lines = "numpy==2.4.6 ; python_full_version < '3.12'  # why\ntokenizers==0.23.3\n# more\nfilelock==4.2.12 \\\n  --hash=sha256:00\n"
    directory = handler(**{"model.py": ECHO, "requirements.txt": lines.split(" \\")[0] + "\n"})
    other = recipe.read(
        None, handler=str(directory), template="runpod", packages=None, packages_file=None, python=None,
        base=None, env={}, files={},
    )  # fmt: skip
    assert other.problems == []
    workers, _ = requirements.read(images.TEMPLATES["runpod"].requirements)
    packages = images.read_packages(directory)
    assert [line for line in other.packages if line not in workers] == list(packages)
    assert requirements.read(images.TEMPLATES["modal"].requirements) == ([], [])
    (directory / "requirements.txt").write_text(lines)
    assert images.read_packages(directory) == packages
    _, text = module(directory, search(directory, ModalImage(pip=packages)))
    assert "tokenizers==0.23.3" in text


def test_a_registry_image_by_digest(handler):
    ref = "registry.example/search@sha256:" + "a" * 64
    _, text = module(handler(ECHO), search(handler(ECHO), ModalImage(registry=ref, add_python="3.11")))
    assert f"modal.Image.from_registry('{ref}', add_python='3.11').entrypoint([])" in text


def test_hostile_values_stay_values(handler):
    evil = "'); import os; os.abort(); ('{{ 7 * 7 }}"
    directory = handler(**{"model.py": ECHO, "evil.txt": evil})
    app = search(directory, ModalImage(env={"EVIL": evil}), env={"MORE": evil}, secrets=(ModalSecret(evil),))
    tree = ast.parse(module(directory, app)[1])
    assert evil in [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "abort"]
    assert calls == []


def test_functions_keep_their_kind_and_batches_their_names(handler):
    source = (
        "def plain(a, b=1): return a\n"
        "async def later(a): return a\n"
        "def some(a): yield a\n"
        "async def streams(a): yield a\n"
        "def pairs(left, right): return left\n"
        "def make(): ...\n"
        "def nightly(): ...\n"
    )
    directory = handler(**{"pipeline.py": source})
    names = ("plain", "later", "some", "streams")
    functions = (
        *(ModalService(name, f"pipeline.py:{name}") for name in names),
        ModalService("pairs", "pipeline.py:pairs", batch_max_size=4, batch_wait_ms=10),
        ModalService("make", "pipeline.py:make", web=ModalWeb(WebKind.SERVER, port=9000)),
        ModalService("nightly", "pipeline.py:nightly", schedule=ModalSchedule(cron="0 9 * * 1")),
        ModalService("often", "pipeline.py:nightly", schedule=ModalSchedule(period_s=60.0)),
    )
    _, text = module(directory, ModalApp("p", functions=functions, root=directory))
    kinds = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yields = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))
            kinds[node.name] = (isinstance(node, ast.AsyncFunctionDef), yields)
    assert kinds["plain"] == (False, False)
    assert kinds["later"] == (True, False)
    assert kinds["some"] == (False, True)
    assert kinds["streams"] == (True, True)
    assert "@modal.batched(max_batch_size=4, wait_ms=10)\ndef pairs(left, right):" in text
    assert "@modal.web_server(9000, startup_timeout=5.0)\ndef make():" in text
    assert "schedule=modal.Cron('0 9 * * 1', timezone='UTC')" in text
    assert "schedule=modal.Period(seconds=60.0)" in text


@pytest.mark.parametrize(
    ("settings", "hooks"),
    [
        ({}, ["start: start"]),
        ({"memory_snapshot": True}, ["snap: start"]),
        ({"memory_snapshot": True, "options": {"gpu": ["L4"]}}, ["snap: prepare", "start: load"]),
        ({"memory_snapshot": True, "gpu_snapshot": True, "options": {"gpu": ["L4"]}}, ["snap: start"]),
    ],
)
def test_a_snapshot_is_taken_before_the_gpu_is_used(handler, settings, hooks):
    directory = handler(ECHO)
    text = module(directory, search(directory, **settings))[1]
    found = re.findall(r"@modal\.enter\((snap=True)?\)\n.*?self\.service\.(\w+)\(\)", text, re.DOTALL)
    assert [f"{'snap' if snap else 'start'}: {does}" for snap, does in found] == hooks
    assert ("enable_memory_snapshot=True" in text) == bool(settings)


def test_too_much_code_is_refused(handler):
    directory = handler(ECHO)
    with (directory / "model.bin").open("wb") as file:
        file.truncate(9 * 2**20)
    with pytest.raises(ImageError, match=r"larger than 8 MiB at model\.bin"):
        module(directory)


def test_every_problem_is_named_with_its_place(handler):
    directory = handler("class Model: ...\n")
    app = ModalApp(
        "p",
        functions=(ModalService("f", "model.py:missing"),),
        classes=(ModalService("Model"),),
        root=directory,
    )
    with pytest.raises(ImageError) as caught:
        module(directory, app)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "functions.f",
        "classes.Model",
        "classes.Model",
    ]


def test_it_makes_no_docker_context(handler):
    with pytest.raises(ImageError, match="a module, not an image"):
        images.docker_context("modal", handler(ECHO), RenderOptions())


DRIVER = """
import asyncio, importlib, json, sys
import modal
modal.is_local = lambda: False  # told by the connection that a container has, which there is none of here
module = importlib.import_module(sys.argv[1])
service = module.modal_entry.Service(module._CODE, "model.py", "Model", streams=False, config={}, concurrency=1)
service.start()
print(json.dumps(asyncio.run(service.predict({"a": 1}))))
try:
    asyncio.run(service.predict({"fail": True}))
except LookupError as error:
    print(type(error).__name__, error)
"""


def test_the_module_runs_in_a_container_with_nothing_else_around(handler, tmp_path):
    """As Modal's container imports it: alone in a directory, with only the client beside it."""
    source = (
        "import os, words\n"
        "class Model:\n"
        "    def load(self, weights): self.there = sorted(p.name for p in weights.iterdir())\n"
        "    def predict(self, request):\n"
        "        if 'fail' in request: raise LookupError('no such word')\n"
        "        return {**request, 'app': os.environ['PILOTLIGHT_APP'], 'said': words.SAID, 'there': self.there}\n"
    )
    directory = handler(**{"model.py": source, "words.py": "SAID = 'hello'\n", "blob.bin": "x"})
    (directory / "blob.bin").write_bytes(b"\xff\x00\xfe")
    name, text = module(directory, search(directory))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / name).write_text(text)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, name.removesuffix(".py")],
        cwd=tmp_path / "root",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line["pilotlight"]["phase"] for line in lines[:2]] == ["load", "ready"]
    there = ["blob.bin", "model.py", "words.py"]
    said = {key: value for key, value in lines[2].items() if key != "there"}
    assert said == {"a": 1, "app": "search", "said": "hello"}
    assert [name for name in lines[2]["there"] if not name.startswith("__")] == there
    assert done.stdout.splitlines()[-1] == "LookupError no such word"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (
            "import missing_package\nclass Model:\n    def load(self, w): ...\n    def predict(self, r): ...\n",
            ImportError,
        ),
        (
            "class Model:\n    def load(self, w): raise OSError('disk')\n    def predict(self, r): ...\n",
            OSError,
        ),
    ],
)
def test_what_fails_at_the_start_is_raised_as_it_was(handler, source, error, capsys):
    from pilotlight_runtime.modal_entry import Service

    directory = handler(source, f"handler_{error.__name__}")
    (directory / "model.py").rename(directory / f"m_{error.__name__}.py")
    service = Service(directory, f"m_{error.__name__}.py", "Model", streams=False, config={}, concurrency=1)
    with pytest.raises(error) as caught:
        service.start()
    assert caught.value.__notes__
    assert json.loads(capsys.readouterr().out)["pilotlight"]["phase"] == "failed"


class Calling:
    """An ASGI server that asks once."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(
        self, body: bytes = b"", method: str = "POST", path: str = "/", accept: bytes = b""
    ) -> tuple[int, Any]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": [(b"accept", accept)]}
        asyncio.run(self.app(scope, receive, send))
        text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
        return sent[0]["status"], text if accept else json.loads(text)


@pytest.fixture
def served(handler):
    from pilotlight_runtime.asgi import Asgi
    from pilotlight_runtime.contract import Calls

    def serve(model: Any, streams: bool = False) -> Calling:
        return Calling(Asgi(Calls(model, Path("/nowhere"), concurrency=1, streams=streams)))

    return serve


class Echo:
    def load(self, weights: Path) -> None: ...

    def predict(self, request: dict[str, Any]) -> Any:
        if request.get("fail"):
            raise RuntimeError("broken")
        return {"word": request["word"]}


def test_http_answers_as_every_cloud_does(served, capfd):
    call = served(Echo())
    assert call(b'{"input": {"word": "a"}}') == (200, {"output": {"word": "a"}})
    assert call(b'{"input": {}}') == (400, {"error": "the input has no 'word'"})
    assert call(b'{"input": 3}') == (400, {"error": "the input is a number; wanted a JSON object"})
    assert call(b'{"input": {"fail": true}}') == (500, {"error": "RuntimeError: broken"})
    status, said = call(b"nonsense")
    assert (status, "not JSON" in said["error"]) == (400, True)
    assert call(b"{}")[0] == 400
    assert call(method="GET")[0] == 405
    assert call(path="/other")[0] == 404
    assert call(method="GET", path="/health") == (200, {"status": "ready"})


class Counter:
    def load(self, weights: Path) -> None: ...

    def predict(self, request: dict[str, Any]) -> Any:
        yield from range(request["n"])
        if request.get("fail"):
            raise RuntimeError("broken")


def test_http_streams_what_predict_yields(served, capfd):
    call = served(Counter(), streams=True)
    assert call(b'{"input": {"n": 3}}') == (200, {"output": [0, 1, 2]})
    status, text = call(b'{"input": {"n": 2}}', accept=b"text/event-stream")
    assert (status, text) == (200, "data: 0\n\ndata: 1\n\n")
    _, text = call(b'{"input": {"n": 1, "fail": true}}', accept=b"text/event-stream")
    assert text == 'data: 0\n\nevent: error\ndata: {"error": "RuntimeError: broken"}\n\n'
