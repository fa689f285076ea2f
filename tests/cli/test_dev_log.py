"""Of what a worker says, the developer sees their own."""

from pathlib import Path

import pytest

from infra.cli.dev_log import WorkerLog
from infra.cli.dev_source import Source

RUNTIME = '  File "/x/app/pilotlight_runtime/contract.py", line 104, in answer'
OWN = '  File "/x/app/handler/model.py", line 28, in predict'


class Heard(WorkerLog):
    def __init__(self, directory: Path) -> None:
        self.said: list[str] = []
        super().__init__(Source(directory, Path("stacks/search")), self.said.append)

    def hear(self, *lines: str) -> list[str]:
        for line in lines:
            self.line(line)
        return self.said


@pytest.fixture
def log(tmp_path: Path) -> Heard:
    (tmp_path / "model.py").write_text("")
    return Heard(tmp_path)


def test_phases_and_a_failure_are_for_us(log: Heard) -> None:
    said = log.hear(
        '{"pilotlight": {"phase": "load", "seconds": 0.25}}',
        '{"pilotlight": {"phase": "failed", "seconds": 1, "error": "load failed: no (model.py line 3, in load)"}}',
    )
    assert said == []
    assert log.phases == {"load": 0.25}
    assert log.failed.is_set()
    assert log.failure == "stacks/search/model.py:3: in load: load failed: no"


def test_prints_are_shown_and_the_clouds_own_lines_are_not(log: Heard) -> None:
    log.line("[host] pulling the image", system=True)
    said = log.hear(
        "--- Starting Serverless Worker |  Version 1.12.0 ---",
        '{"requestId": null, "message": "Jobs in queue: 1", "level": "INFO"}',
        "",
        "hello",
        '{"mine": 1}',
    )
    assert said == ["hello", '{"mine": 1}']
    assert log.last[0] == "[host] pulling the image"


def test_a_traceback_keeps_the_users_frames_and_knows_where_it_ended(log: Heard) -> None:
    said = log.hear(
        "Traceback (most recent call last):",
        RUNTIME,
        "    return await self._run(request)",
        "                 ^^^^^^^^^",
        OWN,
        '    return {}["abc"]',
        "           ~~^^^^^^^",
        '  File "/site/numpy/core.py", line 1, in f',
        "    raise",
        "KeyError: 'abc'",
        "after",
    )
    assert said == [
        "Traceback (most recent call last):",
        '  File "stacks/search/model.py", line 28, in predict',
        '    return {}["abc"]',
        "           ~~^^^^^^^",
        '  File "/site/numpy/core.py", line 1, in f',
        "    raise",
        "KeyError: 'abc'",
        "after",
    ]
    assert log.place == "stacks/search/model.py:28"
    assert log.traced.is_set()


def test_an_error_of_our_own_in_a_chain_is_left_out(log: Heard) -> None:
    said = log.hear(
        "Traceback (most recent call last):",
        RUNTIME,
        "    raise",
        "pilotlight_runtime.errors.StartError: load failed: no (model.py line 3, in load)",
        "During handling of the above exception, another exception occurred:",
        "Traceback (most recent call last):",
        '  File "/root/pl_e290716867dd47d1b595.py", line 72, in start',
        "    self.service.start()",
        OWN,
        "    raise RuntimeError",
        "RuntimeError: no",
        "load failed: no (model.py line 3, in load)",
    )
    assert said[0].startswith("Traceback")
    assert [line for line in said if "File" in line] == [
        '  File "stacks/search/model.py", line 28, in predict'
    ]
    assert said[-1] == "RuntimeError: no"


def test_a_new_request_forgets_the_place_of_the_one_before(log: Heard) -> None:
    log.hear("Traceback (most recent call last):", OWN, "KeyError: 1")
    log.begin()
    assert log.place is None
    assert not log.traced.is_set()
