"""Images of the official client, built for real."""

import subprocess
from pathlib import Path

import pytest

from infra.localcloud.modal.images import Unpacked
from infra.localcloud.modal.images.environment import BuildFailed
from infra.localcloud.modal.model import Runtime

SLIM = 'modal.Image.debian_slim("3.11")'


def interpreter(cloud, image_id: str):
    async def look() -> Runtime:
        return cloud.world.images.interpreter(image_id)

    return cloud.run(look)


def ask(cloud, image_id: str, code: str) -> str:
    """What a program says on the image's interpreter."""
    runtime = interpreter(cloud, image_id)
    done = subprocess.run(
        [runtime.python, "-P", "-c", code], env={}, capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).strip()


def test_an_image_without_packages_has_the_client_and_nothing_of_ours(cloud, deploy) -> None:
    image_id = deploy(SLIM)
    assert ask(cloud, image_id, "import modal; print(modal.__version__)") == "1.6.4"
    assert ask(cloud, image_id, "import modal._container_entrypoint, google.protobuf; print('ok')") == "ok"
    for name in ("infra", "boto3", "pulumi", "pydantic"):
        assert "ModuleNotFoundError" in ask(cloud, image_id, f"import {name}")


def test_packages_are_installed_from_the_wheelhouse(cloud, deploy) -> None:
    image_id = deploy(f'{SLIM}.pip_install("plum==1.0")')
    assert ask(cloud, image_id, "import plum, modal; print(plum.VERSION)") == "1.0"
    assert "ModuleNotFoundError" in ask(cloud, image_id, "import pear")


def test_layers_add_up_and_a_later_one_wins(cloud, deploy) -> None:
    image_id = deploy(f'{SLIM}.pip_install("plum==1.0").uv_pip_install("pear").uv_pip_install("plum==2.0")')
    assert ask(cloud, image_id, "import plum, pear; print(plum.VERSION, pear.VERSION)") == "2.0 1.0"


def test_requirements_files_are_followed(cloud, deploy, tmp_path: Path) -> None:
    (tmp_path / "needs.txt").write_text("plum<2\n")
    image_id = deploy(f'{SLIM}.pip_install_from_requirements("{tmp_path / "needs.txt"}")')
    assert ask(cloud, image_id, "import plum; print(plum.VERSION)") == "1.0"


def test_environment_and_folder_reach_the_container(cloud, deploy) -> None:
    image_id = deploy(
        f'{SLIM}.env({{"A": "1 2"}}).workdir("/srv").apt_install("git").run_commands("echo hello")'
    )
    runtime = interpreter(cloud, image_id)
    assert (runtime.env, runtime.workdir) == ({"A": "1 2"}, "/srv")
    assert runtime.notes == ("Debian packages are not installed here: git", "not run here: echo hello")


def test_the_same_content_is_one_image_and_is_not_built_twice(cloud, deploy) -> None:
    text = f'{SLIM}.pip_install("plum==1.0")'
    first = deploy(text)
    python = interpreter(cloud, first).python
    made = python.parent.parent.joinpath("ready").stat().st_mtime_ns
    assert deploy(f"{text}") == first
    other = deploy(f'{text}.env({{"A": "1"}})')
    assert other != first
    assert interpreter(cloud, other).python == python
    assert python.parent.parent.joinpath("ready").stat().st_mtime_ns == made


def test_a_secret_of_the_build_makes_no_other_image(cloud, deploy) -> None:
    text = f'{SLIM}.pip_install("plum==1.0", secrets=[modal.Secret.from_dict({{"T": "x"}})])'
    assert deploy(text) == deploy(text)


def test_a_forced_build_makes_a_new_image(cloud, deploy) -> None:
    first = deploy(f'{SLIM}.pip_install("plum==1.0")')
    second = deploy(f'{SLIM}.pip_install("plum==1.0", force_build=True)')
    assert second != first
    assert ask(cloud, second, "import plum; print(plum.VERSION)") == "1.0"


def test_a_failed_build_says_what_the_installer_said(cloud, deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    offline = "--index-url http://127.0.0.1:9/simple"
    said = deploy(f'{SLIM}.pip_install("plum==9.9", extra_options="{offline}")', ok=False)
    assert "Image build for im-" in said
    assert "`uv pip install plum==9.9" in said
    assert cloud.world.deployed("pictures", "main") is None


def test_without_a_network_the_wheelhouse_is_the_reason(
    cloud, deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    said = deploy(f'{SLIM}.pip_install("plum==9.9")', ok=False)
    assert "plum==9.9" in said
    assert "127.0.0.1:9" not in said


def test_the_client_shows_the_log_of_the_build(cloud, deploy, tmp_path: Path) -> None:
    deploy(SLIM)
    (tmp_path / "pictures.py").write_text(
        (tmp_path / "pictures.py")
        .read_text()
        .replace(SLIM, f'{SLIM}.uv_pip_install("pear").run_commands("echo hi")')
    )
    said = cloud.modal("deploy", str(tmp_path / "pictures.py"))
    assert "$ uv pip install pear" in said
    assert (
        "[local cloud] not run here: echo hi" in said
        or "not run here" in cloud.images.records.values()[-1].log
    )


def test_an_image_of_the_local_registry_brings_its_packages(cloud, deploy, tmp_path: Path) -> None:
    site = tmp_path / "unpacked" / "site"
    site.mkdir(parents=True)
    (site / "grape.py").write_text("VERSION = '3'\n")

    async def registry(reference: str) -> Unpacked | None:
        if reference == "registry.local/missing:1":
            raise BuildFailed("registry.local/missing:1 is not in the local registry")
        return Unpacked((str(site),), {"FROM_BASE": "1"}) if reference.startswith("registry.local/") else None

    cloud.images._registry = registry
    image_id = deploy(
        'modal.Image.from_registry("registry.local/fruit:1").pip_install("plum==1.0").env({"A": "1"})'
    )
    assert ask(cloud, image_id, "import grape, plum, modal; print(grape.VERSION, plum.VERSION)") == "3 1.0"
    runtime = interpreter(cloud, image_id)
    assert (runtime.env, runtime.notes) == ({"FROM_BASE": "1", "A": "1"}, ())
    said = deploy('modal.Image.from_registry("registry.local/missing:1")', ok=False)
    assert "registry.local/missing:1 is not in the local registry" in said


def test_what_an_image_of_elsewhere_would_bring_is_told(cloud, deploy) -> None:
    image_id = deploy('modal.Image.from_registry("nvidia/cuda:12.4.0-devel-ubuntu22.04", add_python="3.11")')
    assert interpreter(cloud, image_id).notes == (
        "image nvidia/cuda:12.4.0-devel-ubuntu22.04 is not pulled from its registry: what is in it is not there",
    )
    image_id = deploy('modal.Image.debian_slim("3.12")')
    assert (
        interpreter(cloud, image_id)
        .notes[0]
        .startswith("the image asks for Python 3.12; this machine runs it with")
    )


def test_files_that_are_copied_in_are_at_their_place(cloud, deploy, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a.txt").write_text("hello")
    image_id = deploy(f'{SLIM}.add_local_dir("{tmp_path / "assets"}", "/opt/assets", copy=True)')
    ((mount_id, folder),) = interpreter(cloud, image_id).copies
    cloud.world.mounts.materialise([mount_id], tmp_path / "root" / folder.lstrip("/"))
    assert (tmp_path / "root" / "opt" / "assets" / "a.txt").read_text() == "hello"


def test_a_package_of_the_users_own_is_installed_from_what_was_copied(
    cloud, deploy, tmp_path: Path, tools
) -> None:
    package = tmp_path / "own"
    package.mkdir()
    (tools.wheelhouse / "plum-2.0-py3-none-any.whl").rename(package / "plum-2.0-py3-none-any.whl")
    text = f'{SLIM}.add_local_dir("{package}", "/pkg", copy=True)'
    image_id = deploy(f'{text}.run_commands("pip install /pkg/plum-2.0-py3-none-any.whl")')
    assert ask(cloud, image_id, "import plum; print(plum.VERSION)") == "2.0"


def test_a_project_and_a_dockerfile_are_built(cloud, deploy, tmp_path: Path) -> None:
    project = (
        '[project]\nname = "own"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["plum<2"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(project)
    image_id = deploy(f'{SLIM}.uv_sync("{tmp_path}")')
    assert ask(cloud, image_id, "import plum; print(plum.VERSION)") == "1.0"
    (tmp_path / "Dockerfile").write_text(
        "FROM python:3.11-slim\nRUN pip install \\\n  # why\n  pear plum==2.0\nWORKDIR /app\n"
    )
    image_id = deploy(f'modal.Image.from_dockerfile("{tmp_path / "Dockerfile"}")')
    assert ask(cloud, image_id, "import plum, pear; print(plum.VERSION)") == "2.0"
    assert interpreter(cloud, image_id).workdir == "/app"


def test_a_function_of_the_build_is_not_run_and_that_is_told(cloud, deploy) -> None:
    image_id = deploy(f"{SLIM}.run_function(prepare)")
    assert interpreter(cloud, image_id).notes[0].startswith("run_function is not run here")


def test_images_are_there_after_a_restart(cloud, deploy) -> None:
    first = deploy(f'{SLIM}.pip_install("plum==1.0")')
    cloud.restart()
    assert ask(cloud, first, "import plum, modal; print(plum.VERSION)") == "1.0"
    assert deploy(f'{SLIM}.pip_install("plum==1.0")') == first
