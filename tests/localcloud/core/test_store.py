"""The store: survives restarts and kills, refuses what it cannot read."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from infra.localcloud.core.store import SCHEMA_VERSION, Store, StoreError


def test_endpoints_come_back_in_the_order_they_were_made(store: Store, tmp_path: Path) -> None:
    for id in ("b", "c", "a"):
        store.save_endpoint(id, {"id": id})
    store.save_endpoint("b", {"id": "b", "name": "né"})
    store.close()
    again = Store(tmp_path / "cloud.db")
    assert again.endpoints() == [{"id": "b", "name": "né"}, {"id": "c"}, {"id": "a"}]
    assert again.endpoint("c") == {"id": "c"}
    assert again.endpoint("x") is None
    again.close()


def test_deleting_an_endpoint_takes_its_releases_and_leaves_its_usage(store: Store) -> None:
    for id in ("a", "b"):
        store.save_endpoint(id, {"id": id})
        for version in (1, 2):
            store.add_release(id, version, {"version": version})
    store.save_usage(("a", "w", 1.0, 2.0, None, 0, 4, {}))
    store.delete_endpoint("a")
    assert store.endpoints() == [{"id": "b"}]
    assert store.releases("a") == []
    assert store.releases("b") == [{"version": 2}, {"version": 1}]
    assert store.usage(0, 10) == [("a", "w", 1.0, 2.0, None, 0, 4)]


def test_values_by_namespace_and_key(store: Store) -> None:
    jobs, counts = store.kv("jobs"), store.kv("counts")
    jobs.put("b", {"n": [1, None]})
    jobs.put("a", "x")
    counts.put("a", 1)
    jobs.put("b", 2)
    assert jobs.items() == [("a", "x"), ("b", 2)]
    assert (jobs.get("a"), jobs.get("none"), jobs.get("none", 7), counts.get("a")) == ("x", None, 7, 1)
    jobs.put_many({"c": 3, "d": 4})
    jobs.delete("a", "c", "never")
    assert jobs.items() == [("b", 2), ("d", 4)]
    assert counts.items() == [("a", 1)]


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    jobs = store.kv("jobs")

    def fail_half_way() -> None:
        with store.transaction():
            jobs.put_many({"a": 1, "b": 2})
            store.delete_endpoint("none")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail_half_way()
    assert jobs.items() == []
    with store.transaction():
        jobs.put("a", 1)
        with store.transaction():
            jobs.put("b", 2)
    assert jobs.items() == [("a", 1), ("b", 2)]


def test_a_killed_writer_leaves_what_it_had_committed(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    script = (
        "import os, signal, sys; from pathlib import Path; from infra.localcloud.core.store import Store\n"
        f"store = Store(Path({str(path)!r})); jobs = store.kv('jobs')\n"
        "jobs.put_many({str(n): n for n in range(100)})\n"
        "store._db.execute('BEGIN'); jobs.put('half', 1); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert ended.returncode == -signal.SIGKILL
    store = Store(path)
    assert len(store.kv("jobs").items()) == 100
    store.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match=f"newer Pilotlight \\(schema {SCHEMA_VERSION + 1}\\)"):
        Store(path)


def test_a_file_that_is_no_database_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError) as raised:
        Store(path)
    assert str(path) in str(raised.value)
    assert "pilotlight cloud reset" in raised.value.fix
    assert path.read_bytes().startswith(b"not a database"), "nothing is deleted unasked"
