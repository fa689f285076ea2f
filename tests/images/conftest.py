"""Handlers on disk, a store that speaks S3, and RunPod's side of the worker protocol, all on 127.0.0.1."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import images

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "images" / "runtime"))
sys.path.insert(0, str(Path(__file__).parent / "helpers"))

from s3server import S3Server, staged  # noqa: E402


@pytest.fixture
def handler(tmp_path: Path) -> Callable[..., Path]:
    """A handler directory: `handler(source)`, or `handler(**{"model/model.py": ...})` by path."""

    def make(source: str | None = None, name: str = "handler", **files: str) -> Path:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        for path, text in ({"model.py": source} if source is not None else files).items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text)
        return directory

    return make


@pytest.fixture
def app(tmp_path: Path, handler: Callable[..., Path]) -> Callable[..., Path]:
    """/app of a rendered handler, written out: `app(source)` or `app(directory)`."""

    def make(source: str | Path, options: images.RenderOptions | None = None) -> Path:
        directory = source if isinstance(source, Path) else handler(source)
        target = tmp_path / "app"
        for path, data in images.render("runpod", directory, options).items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(data)
        return target

    return make


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def stage(s3: S3Server) -> Callable[..., str]:
    """Put files and their manifest into the store; answers the manifest's uri."""

    def put(files: dict[str, bytes]) -> str:
        uri, objects = staged(files)
        s3.objects.update({("models", key): data for key, data in objects.items()})
        return uri

    return put
