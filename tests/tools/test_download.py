"""The official release: used only when it is all there and is what was published."""

import hashlib
import io
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bootstrap import download
from bootstrap.console import Step
from bootstrap.places import PULUMI

NAME = f"pulumi-v{PULUMI}-{download._system()}.tar.gz"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Short(Quiet):
    """Announces more than it sends."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        outputfile.write(source.read()[: 200 if self.path.endswith(".gz") else None])


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that is served as the place of releases."""
    yield from serve(Quiet, tmp_path / "releases", monkeypatch)


def serve(handler: type[Quiet], directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    directory.mkdir()
    publish(directory)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(directory))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("PILOTLIGHT_PULUMI_RELEASES", f"http://127.0.0.1:{server.server_port}/")
        yield directory
        server.shutdown()


def publish(directory: Path) -> None:
    with tarfile.open(directory / NAME, "w:gz") as tar:
        for name in ("pulumi/pulumi", "pulumi/pulumi-language-python"):
            member = tarfile.TarInfo(name)
            member.mode, content = 0o755, b"#!/bin/sh\necho v9.9.9\n" + bytes(range(256)) * 8
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    digest = hashlib.sha256((directory / NAME).read_bytes()).hexdigest()
    (directory / f"pulumi-{PULUMI}-checksums.txt").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  {NAME}\n")


def fetch(into: Path) -> None:
    into.mkdir()
    download.pulumi(into, Step("pulumi", out=io.StringIO()))


def test_a_release_is_unpacked_with_its_language_host(releases: Path, tmp_path: Path) -> None:
    fetch(tmp_path / "into")
    found = {path.name: path.stat().st_mode & 0o111 for path in (tmp_path / "into/bin").iterdir()}
    assert found == {"pulumi": 0o111, "pulumi-language-python": 0o111}
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["bin"]


def test_a_changed_archive_is_refused(releases: Path, tmp_path: Path) -> None:
    with (releases / NAME).open("r+b") as file:
        file.write(b"\x1f\x8b\x09")
    with pytest.raises(download.Unavailable, match=r"has SHA-256 .*is published; not used"):
        fetch(tmp_path / "into")
    assert not (tmp_path / "into/bin").exists()


def test_a_truncated_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in serve(Short, tmp_path / "releases", monkeypatch):
        with pytest.raises(download.Unavailable, match=r"IncompleteRead|ended after 200 of"):
            fetch(tmp_path / "into")


def test_checksums_without_our_archive_are_told(releases: Path, tmp_path: Path) -> None:
    (releases / f"pulumi-{PULUMI}-checksums.txt").write_text(f"{'0' * 64}  other.tar.gz\n")
    with pytest.raises(download.Unavailable, match="name no pulumi-v"):
        fetch(tmp_path / "into")


def test_a_path_that_leads_out_of_the_archive_stays_inside(releases: Path, tmp_path: Path) -> None:
    with tarfile.open(releases / NAME, "w:gz") as tar:
        member = tarfile.TarInfo("../../evil")
        tar.addfile(member, io.BytesIO(b""))
    digest = hashlib.sha256((releases / NAME).read_bytes()).hexdigest()
    (releases / f"pulumi-{PULUMI}-checksums.txt").write_text(f"{digest}  {NAME}\n")
    with pytest.raises(download.Unavailable, match="holds no program pulumi"):
        fetch(tmp_path / "into")
    assert not (tmp_path / "evil").exists()


def test_nobody_there_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        monkeypatch.setenv("PILOTLIGHT_PULUMI_RELEASES", f"http://127.0.0.1:{taken.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(download.Unavailable, match="refused"):
            fetch(tmp_path / "into")
    assert time.monotonic() - began < 2


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "REACH_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("PILOTLIGHT_PULUMI_RELEASES", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(download.Unavailable, match=r"no answer|timed out"):
            fetch(tmp_path / "into")
