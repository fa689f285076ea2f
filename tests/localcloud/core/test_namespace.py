"""Mounts of a process's own, made for real where the kernel allows."""

import os
import subprocess
from pathlib import Path

import pytest

from infra.localcloud.core import namespace
from infra.localcloud.core.namespace import CANNOT_ENTER, Bind, Mount, Overlay

own_mounts = pytest.mark.skipif(bool(namespace.refusal()), reason=namespace.refusal() or "never skipped")


def run(tmp_path: Path, script: str, *mounts: Mount, cwd: str = "/", root: Path | None = None) -> str:
    done = attempt(tmp_path, script, *mounts, cwd=cwd, root=root)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def attempt(
    tmp_path: Path, script: str, *mounts: Mount, cwd: str = "/", root: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command = namespace.enclose(["/bin/sh", "-c", script], tmp_path / "spec.json", mounts, cwd, root)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@own_mounts
def test_a_folder_is_mounted_where_the_machine_has_nothing_and_the_machine_stays_as_it_is(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    deep = str(tmp_path / "not" / "there")
    top, system = Bind(str(data), "/pl-mount-test/a"), Bind(str(data), "/usr/share/pl-mount-test")
    said = run(
        tmp_path,
        f"echo 1 > /pl-mount-test/a/x; cat /usr/share/pl-mount-test/x {deep}/x; ls -d /usr/share/doc /proc/self",
        *(top, system, Bind(str(data), deep)),
        cwd="/pl-mount-test/a",
    )
    assert said.splitlines()[:2] == ["1", "1"]
    assert (data / "x").read_text() == "1\n"
    assert not any(map(os.path.lexists, ("/pl-mount-test", "/usr/share/pl-mount-test", deep)))


@own_mounts
def test_a_mount_hides_what_the_machine_has_there(tmp_path: Path) -> None:
    for name in ("here", "instead"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    bind = Bind(str(tmp_path / "instead"), str(tmp_path / "here"), read_only=True)
    said = run(tmp_path, "cat name; echo x > name || echo refused", bind, cwd=bind.target)
    assert said == "instead" + "refused"
    assert (tmp_path / "here" / "name").read_text() == "here"


@own_mounts
def test_an_overlay_keeps_what_is_written_apart(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("lower", "upper", "work: a, b")]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "given").write_text("given")
    overlay = Overlay((str(folders[0]),), "/pl-mount-test", str(folders[1]), str(folders[2]))
    assert (
        run(tmp_path, "cat given; echo new > given; rm -f nothing", overlay, cwd="/pl-mount-test") == "given"
    )
    assert ((folders[0] / "given").read_text(), (folders[1] / "given").read_text()) == ("given", "new\n")


@own_mounts
def test_a_root_of_its_own_whose_links_lead_nowhere_outside(tmp_path: Path) -> None:
    root, outside, data = tmp_path / "root", tmp_path / "outside", tmp_path / "data"
    for folder in (root, outside, data):
        folder.mkdir()
    (root / "models").symlink_to(outside)
    (data / "x").write_text("x")
    mounts = [*namespace.system_mounts(root), Bind(str(data), "/models/a")]
    assert run(tmp_path, "cat /models/a/x; ls /", *mounts, root=root).startswith("x")
    assert list(outside.iterdir()) == [], "the link was followed on the machine"


@own_mounts
def test_what_cannot_be_mounted_is_said(tmp_path: Path) -> None:
    done = attempt(tmp_path, "true", Bind(str(tmp_path / "gone"), "/pl-mount-test"))
    assert done.returncode == CANNOT_ENTER
    assert done.stderr.strip() == (
        f"cannot enter the container: cannot mount {tmp_path}/gone at /pl-mount-test: No such file or directory"
    )


def test_a_machine_without_the_program_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    namespace.refusal.cache_clear()
    assert namespace.refusal() == "the program unshare (util-linux) is not installed"
    monkeypatch.undo()
    namespace.refusal.cache_clear()
