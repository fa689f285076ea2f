"""Small packages as wheels, so that images are built without a network."""

import zipfile
from pathlib import Path

import pytest

from infra.localcloud.modal import images

PROGRAM = """
import modal

app = modal.App("pictures")

def prepare():
    pass

image = {image}

@app.function(image=image)
def f():
    pass
"""


@pytest.fixture
def tools(tools: images.Tools, tmp_path: Path) -> images.Tools:
    """With a wheelhouse of our own."""
    if tools.uv is None:
        pytest.skip("uv is not here: `make up` brings it")
    house = tmp_path / "wheels"
    house.mkdir()
    for name, version in (("plum", "1.0"), ("plum", "2.0"), ("pear", "1.0")):
        wheel(house, name, version)
    return images.Tools(tools.uv, house)


def wheel(folder: Path, name: str, version: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def deploy(cloud, tmp_path: Path):
    """`deploy(image)` deploys an app with that image and gives the image's id, or what was said if it is not ok."""
    path = tmp_path / "pictures.py"

    def run(image: str, *, ok: bool = True, **more: str) -> str:
        path.write_text(PROGRAM.format(image=image))
        said = cloud.modal("deploy", str(path), ok=ok, **more)
        if not ok:
            return said
        app = cloud.world.deployed("pictures", "main")
        return str(cloud.world.function(app.function_ids["f"]).function.image_id)

    return run
