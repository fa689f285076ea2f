"""Pods of images that bring a root file system: a small one, of this machine's shell."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from infra.localcloud.core import namespace
from infra.localcloud.runpod.model import PodStatus
from tests.localcloud.pods.conftest import World
from tests.localcloud.pods.test_containers import Real

pytestmark = pytest.mark.skipif(bool(namespace.refusal()), reason=namespace.refusal() or "never skipped")

SCRIPT = (
    "echo root: $(ls /); echo home: $HOME; echo word: $WORD $RUNPOD_POD_ID; echo new > /etc/written;"
    "ls $HOME /etc /workspace; echo x >> /workspace/runs; echo x > $HOME/mine; exit $0"
)


def in_a_root(world: World) -> Path:
    tree = world.state / "roots" / "tune"
    for program in ("sh", "ls"):
        path = shutil.which(program)
        assert path is not None
        (tree / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(path), tree / "bin" / program)
        linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        for found in re.findall(r"(/\S+)", linked):
            place = tree / found.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(found), place)
    (tree / "etc").mkdir()
    world.images.image = replace(
        world.images.image,
        root=tree,
        own_root=True,
        entrypoint=("sh", "-c", SCRIPT),
        cwd=Path("/work"),
        env={"PATH": "/bin", "WORD": "of the image"},
    )
    return tree


def test_it_sees_its_own_root_and_its_disks(real: Real) -> None:
    async def test(world: World) -> None:
        tree = in_a_root(world)
        await world.apply(args="0", persistent=(10, "/workspace"))
        first = await world.said()
        assert (await world.status(PodStatus.EXITED)).exit_code == 0
        root = next(line for line in first if line.startswith("root: ")).split()[1:]
        assert {"bin", "etc", "proc", "dev", "workspace", "work"} <= set(root)
        assert "usr" not in root or (tree / "usr").exists(), "this machine's root"
        assert f"word: of the image {world.record.id}" in first
        assert "written" in first
        assert "mine" not in first
        await world.pods.restart(world.record.id)
        again = (await world.said())[len(first) :]
        assert "mine" not in again, "the container disk is empty again"
        assert "runs" in again, "the persistent disk is not"
        assert not (tree / "etc" / "written").exists(), "the image stays as it is"

    real("", test)


def test_a_program_that_the_image_lacks_is_an_error(real: Real) -> None:
    async def test(world: World) -> None:
        in_a_root(world)
        world.images.image = replace(world.images.image, entrypoint=("python3", "train.py"))
        await world.apply()
        assert (await world.status(PodStatus.ERROR)).reason == "the image has no program python3"

    real("", test)
