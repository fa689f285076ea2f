"""`pilotlight dev` before it begins: whom it asks, and what it takes as the request."""

import json
import sys
from pathlib import Path

import pytest

from infra.cli import dev
from infra.cli.call import CallError
from infra.cli.dev import DevError
from infra.cli.dev_record import Record
from infra.cli.dev_state import RUNPOD, Deployed, Row


def deployed(target: str | None) -> Deployed:
    provider = Row("", "", "", "", "", {} if target is None else {"target": target}, {})
    return Deployed("search", "prod", Row("", RUNPOD, "id", "", "", {}, {}), provider)


def test_the_local_cloud_asks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    dev._ask_for_consent(deployed("local"), False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("target", ["cloud", None])
def test_a_real_cloud_needs_consent_and_is_warned_of_even_then(
    target: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DevError) as caught:
        dev._ask_for_consent(deployed(target), False)
    assert "--yes" in caught.value.fix
    assert "'prod'" in caught.value.what
    dev._ask_for_consent(deployed(target), True)
    assert "WARNING" in capsys.readouterr().err


def test_the_input_of_last_time_serves_when_none_is_given(tmp_path: Path) -> None:
    with Record(tmp_path, "dev", "search") as record:
        with pytest.raises(DevError, match="no input"):
            dev._requests(None, record)
        assert dev._requests('{"a": 1}', record)() == {"a": 1}
        assert dev._requests(None, record)() == {"a": 1}


def test_an_input_file_is_read_again_for_each_call(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text('{"a": 1}')
    with Record(tmp_path, "dev", "search") as record:
        request = dev._requests(f"@{file}", record)
        file.write_text('{"a": 2}')
        assert request() == {"a": 2}
        assert record.input == {"a": 2}
        file.write_text("{")
        with pytest.raises(CallError, match="not JSON"):
            request()
        assert record.input == {"a": 2}


def test_a_closed_terminal_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    dev._say(json.dumps("anything"))
