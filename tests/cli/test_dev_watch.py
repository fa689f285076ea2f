"""A change is noticed, whatever an editor or a shell does to the files and their directory."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import watchfiles

from infra.cli.dev_watch import changes, notified

LIMIT_S = 20


@pytest.fixture
def handler(tmp_path: Path) -> Path:
    directory = tmp_path / "search"
    directory.mkdir()
    (directory / "model.py").write_text("1")
    return directory


def watched(directory: Path, *acts: Callable[[], object]) -> list[list[str]]:
    """What is told of each act, the names of the changed files; a bell rings once after each."""

    async def bell(places: Sequence[Path]) -> AsyncIterator[None]:
        for act in acts:
            act()
            yield

    async def run() -> list[list[str]]:
        return [sorted(path.name for path in told) async for told in changes([directory], bell)]

    return asyncio.run(run())


def test_a_save_is_told_once_and_a_bell_without_a_change_not_at_all(handler: Path) -> None:
    model = handler / "model.py"
    told = watched(handler, lambda: model.write_text("22"), lambda: None, lambda: os.utime(model, (1, 1)))
    assert told == [["model.py"], ["model.py"]]


def test_an_editors_temporary_files_are_no_change(handler: Path) -> None:
    def swap_file() -> None:
        (handler / ".model.py.swp").write_text("x")
        (handler / "4913").write_text("x")

    def rename() -> None:
        (handler / "model.py~").write_text("1")
        (handler / "model.py.tmp").write_text("changed")
        (handler / "model.py.tmp").rename(handler / "model.py")

    assert watched(handler, swap_file, rename) == [["model.py"]]


def test_a_file_that_goes_and_comes_back_and_a_directory_that_does(handler: Path) -> None:
    aside = handler.with_name("aside")
    told = watched(
        handler,
        (handler / "model.py").unlink,
        lambda: (handler / "model.py").write_text("1"),
        lambda: handler.rename(aside),
        lambda: aside.rename(handler),
    )
    assert told == [["model.py"]] * 4


def test_a_mode_counts_because_it_goes_into_the_image(handler: Path) -> None:
    assert watched(handler, lambda: (handler / "model.py").chmod(0o755)) == [["model.py"]]


def test_the_system_tells_of_a_save_and_of_one_in_a_directory_that_was_put_in_place(handler: Path) -> None:
    async def run() -> None:
        told = changes([handler])
        first = asyncio.ensure_future(anext(told))
        bell = asyncio.ensure_future(_once(handler))  # its first ring says that notifications are on
        await bell
        (handler / "model.py").write_text("22")
        assert [path.name for path in await asyncio.wait_for(first, LIMIT_S)] == ["model.py"]
        handler.rename(handler.with_name("old"))
        assert await asyncio.wait_for(anext(told), LIMIT_S)
        handler.mkdir()
        (handler / "other.py").write_text("1")
        assert [path.name for path in await asyncio.wait_for(anext(told), LIMIT_S)] == ["other.py"]
        await told.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_a_directory_under_the_same_name_is_another_one_and_watched_anew(
    handler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    async def awatch(*paths: Path, **options: object) -> AsyncIterator[set[object]]:
        begun.append(paths[0].name)
        while True:
            yield set()

    async def run() -> None:
        monkeypatch.setattr(watchfiles, "awatch", awatch)
        bell = notified([handler])
        await anext(bell)
        await anext(bell)
        assert begun == ["search"]
        handler.rename(handler.with_name("old"))
        handler.mkdir()
        await anext(bell)
        await anext(bell)

    asyncio.run(run())
    assert begun == ["search", "search"]


async def _once(handler: Path) -> None:
    async for _ in notified([handler]):
        return
