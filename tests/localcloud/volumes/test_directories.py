"""Volumes as directories."""

import time
from pathlib import Path

import pytest

from infra.localcloud.runpod.volumes import VolumeDirectories


def test_a_volume_keeps_its_files_until_it_is_removed(tmp_path: Path) -> None:
    volumes = VolumeDirectories(tmp_path / "volumes")
    volumes.create("agv6w2qcg7")
    (volumes.path("agv6w2qcg7") / "deep").mkdir()
    (volumes.path("agv6w2qcg7") / "deep" / "x").write_text("x")
    volumes.create("agv6w2qcg7")
    again = VolumeDirectories(tmp_path / "volumes")
    assert (again.path("agv6w2qcg7") / "deep" / "x").read_text() == "x"
    assert again.ids() == ["agv6w2qcg7"]
    again.remove("agv6w2qcg7")
    again.remove("agv6w2qcg7")
    with pytest.raises(KeyError):
        again.path("agv6w2qcg7")
    assert again.ids() == []
    end = time.monotonic() + 10
    while list((tmp_path / "volumes" / ".deleted").iterdir()):
        assert time.monotonic() < end, "what was deleted is still there"
        time.sleep(0.005)


@pytest.mark.parametrize("volume_id", ["", ".", "..", "../x", "a/b", "/etc", ".deleted", "A", "a\0b", "a\n"])
def test_an_id_names_nothing_outside(tmp_path: Path, volume_id: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "volumes" / "A").mkdir(parents=True)
    volumes = VolumeDirectories(tmp_path / "volumes")
    with pytest.raises(KeyError):
        volumes.path(volume_id)
    with pytest.raises(ValueError, match="cannot be the id"):
        volumes.create(volume_id)
    volumes.remove(volume_id)
    assert (tmp_path / "x").is_dir()
