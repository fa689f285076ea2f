"""One at a time, the last input, and what a killed process left: kept on this disk, for its owner alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli.dev_record import Record, Taken

HOLD = (
    "import sys; from pathlib import Path; from infra.cli.dev_record import Record\n"
    "with Record(Path(sys.argv[1]), 'dev', 'search') as record:\n"
    "    record.note('v1'); print('in', flush=True); sys.stdin.read()\n"
)


def test_a_second_process_is_told_who_is_at_it(tmp_path: Path) -> None:
    with Record(tmp_path, "dev", "search"):
        with pytest.raises(Taken, match=str(os.getpid())):
            Record(tmp_path, "dev", "search").__enter__()
        with Record(tmp_path, "dev", "other"), Record(tmp_path, "staging", "search"):
            pass
    with Record(tmp_path, "dev", "search"):
        pass


def test_a_killed_process_lets_go_and_leaves_what_it_put_there(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    process.kill()
    process.wait()
    with Record(tmp_path, "dev", "search") as record:
        assert record.versions == ["v1"]
        record.note("v2")
        record.note("v1")
        assert record.versions == ["v1", "v2"]
        record.forget()
        assert record.versions == []


def test_the_input_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    with Record(tmp_path, "dev", "a/../b") as record:
        assert record.input is None
        record.remember({"question": "private"})
        assert record.input == {"question": "private"}
        assert record.directory.parent == tmp_path / ".pilotlight/dev/dev"
        assert (record.directory / "input.json").stat().st_mode & 0o777 == 0o600
        assert record.directory.stat().st_mode & 0o777 == 0o700
        (record.directory / "input.json").write_text("{broken")
        assert record.input is None
