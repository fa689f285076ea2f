"""What a template makes: the same bytes each time, data only as literals, nothing that should stay home."""

import ast
import json
from pathlib import Path

import pytest

import images
from images import ImageError, RenderOptions, docker_context, render

NATIVE = "class Model:\n    def load(self, weights): ...\n    def predict(self, request): return request\n"


def test_the_tree(handler):
    directory = handler(
        **{"model.py": NATIVE, "data/words.txt": "a", ".env": "SECRET=1", "__pycache__/x.pyc": ""}
    )
    files = render("runpod", directory)
    assert "rp_handler.py" in files
    assert files["handler/model.py"].decode() == NATIVE
    assert files["handler/data/words.txt"] == b"a"
    assert "pilotlight_runtime/weights.py" in files
    assert not [path for path in files if "env" in path or "pyc" in path]
    assert files == render("runpod", directory)
    assert list(files) == sorted(files)


def test_names_become_literals(handler):
    evil = 'x"; import os; os.abort(); "'
    directory = handler(name=evil, **{f"{evil}.py": NATIVE})
    entry = render("runpod", directory, RenderOptions(entry=f"{evil}.py"))["rp_handler.py"].decode()
    tree = ast.parse(entry)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert [alias.name for node in imports for alias in node.names] == ["os"]
    assert f"{evil}.py" in [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]


def test_truss_configuration_becomes_a_literal(handler):
    hostile = "{{ 7 * 7 }} \"\"\"\n'''\\"
    directory = handler(
        **{
            "config.yaml": f"description: {json.dumps(hostile)}\n",
            "model/model.py": "class Model:\n    def __init__(self, **kw): ...\n    def predict(self, x): ...\n",
        }
    )
    info = images.inspect_handler(directory)
    tree = ast.parse(render("runpod", directory)["rp_handler.py"])
    [handler_dict] = [
        n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "HANDLER"
    ]
    config = next(
        v for k, v in zip(handler_dict.keys, handler_dict.values, strict=True) if k.value == "config"
    )
    assert ast.literal_eval(config) == info.config


def test_templates_carry_a_version():
    assert images.TEMPLATES["runpod"].version == "runpod@1"
    assert "runpod==1.12.0" in images.TEMPLATES["runpod"].requirements.read_text()
    with pytest.raises(ImageError, match="no image template 'lambda'"):
        render("lambda", Path())


def test_links_stay_inside(handler, tmp_path):
    directory = handler(NATIVE)
    (tmp_path / "outside.txt").write_text("secret")
    (directory / "link.txt").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(ImageError, match=r"link\.txt links to a place outside"):
        render("runpod", directory)


def test_a_directory_that_links_to_itself(handler):
    directory = handler(NATIVE)
    (directory / "again").symlink_to(directory)
    with pytest.raises(ImageError, match="again is a link to a directory"):
        render("runpod", directory)


def test_weights_in_the_handler_are_refused(handler):
    directory = handler(NATIVE)
    with (directory / "model.safetensors").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(ImageError, match=r"larger than 64 MiB at model\.safetensors"):
        render("runpod", directory)


def test_docker_context(handler):
    directory = handler(**{"model.py": NATIVE, "requirements.txt": "numpy==2.4.6\n"})
    base = "docker.io/library/python@sha256:" + "a" * 64
    context = docker_context("runpod", directory, RenderOptions(base=base, python="3.12"))
    dockerfile = context["Dockerfile"].decode()
    assert f"FROM {base}\n" in dockerfile
    assert 'ENTRYPOINT ["python3", "-u", "/app/rp_handler.py"]' in dockerfile
    assert 'dev.pilotlight.python="3.12"' in dockerfile
    assert context["requirements.txt"] == b"numpy==2.4.6\n"
    assert "app/handler/model.py" in context


@pytest.mark.parametrize(
    "base", [None, "python:3.11", "python@sha256:short", "python@sha256:" + "a" * 64 + "\nRUN evil"]
)
def test_docker_base_must_be_pinned(handler, base):
    with pytest.raises(ImageError, match="is not pinned"):
        docker_context("runpod", handler(NATIVE), RenderOptions(base=base))


def test_docker_python_must_be_a_version(handler):
    options = RenderOptions(base="python@sha256:" + "a" * 64, python='3.11" evil="1')
    with pytest.raises(ImageError, match="is no version"):
        docker_context("runpod", handler(NATIVE), options)
