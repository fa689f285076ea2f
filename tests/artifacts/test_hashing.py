"""The hash cache: instant when a file is untouched, right when it is not."""

import hashlib
import os
from pathlib import Path

import pytest

from infra.artifacts.hashing import HashCache

LONG_AGO = 1_600_000_000


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time has passed since the files were written."""
    import time

    now = time.time_ns()
    monkeypatch.setattr("infra.artifacts.hashing.time.time_ns", lambda: now + 10**12)


def no_reading(*_: object) -> None:
    raise AssertionError("the file was read again")


@pytest.mark.usefixtures("aged")
def test_an_untouched_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    first = HashCache(tmp_path / "c" / "hashes.sqlite").sha256(file)
    assert first == hashlib.sha256(b"one").hexdigest()
    monkeypatch.setattr("infra.artifacts.hashing.hashlib.file_digest", no_reading)
    assert HashCache(tmp_path / "c" / "hashes.sqlite").sha256(file) == first


@pytest.mark.usefixtures("aged")
def test_a_change_that_keeps_size_and_time_stamp_is_seen(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", HashCache(tmp_path / "hashes.sqlite")
    file.write_bytes(b"one")
    os.utime(file, (LONG_AGO, LONG_AGO))
    first = cache.sha256(file)
    file.write_bytes(b"two")
    os.utime(file, (LONG_AGO, LONG_AGO))
    assert cache.sha256(file) != first


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one tick of the file system's clock a second write leaves no trace."""
    file, cache = tmp_path / "a", HashCache(tmp_path / "hashes.sqlite")
    file.write_bytes(b"one")
    cache.sha256(file)
    monkeypatch.setattr("infra.artifacts.hashing.hashlib.file_digest", no_reading)
    with pytest.raises(AssertionError):
        cache.sha256(file)


def test_a_broken_cache_is_no_reason_to_fail(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    (tmp_path / "hashes.sqlite").write_bytes(b"this is no database" * 100)
    assert HashCache(tmp_path / "hashes.sqlite").sha256(file) == hashlib.sha256(b"one").hexdigest()
    assert HashCache(file / "below-a-file").sha256(file)
