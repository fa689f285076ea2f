"""Edit and run on both clouds: a save is answered by the new code, mistakes are located, and the end leaves no trace."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.checkout import QUESTION, Checkout

pytestmark = pytest.mark.xdist_group("e2e")

LIMIT_S = 60
PREDICT = "    def predict(self, request"
BOTH = pytest.mark.parametrize("name", ["search", "search-on-modal"])


class Dev:
    """`pilotlight dev` in a terminal of its own: `heard` waits for the next line with a text in it."""

    def __init__(self, lit: Checkout, *arguments: str) -> None:
        self.process = lit.start("pilotlight", "dev", *arguments)
        self.lines: list[str] = []
        self._next = 0
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def heard(self, text: str) -> str:
        with self._news:
            found = self._news.wait_for(lambda: self._find(text) is not None, LIMIT_S)
            assert found, f"no {text!r} in {self.lines[self._next :]}"
            index = self._find(text)
            assert index is not None
            self._next = index + 1
            return self.lines[index]

    def end(self, kind: signal.Signals = signal.SIGINT) -> int:
        os.kill(self.process.pid, kind)
        code = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return code

    def _find(self, text: str) -> int | None:
        indexes = range(self._next, len(self.lines))
        return next((index for index in indexes if text in self.lines[index]), None)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()


@pytest.fixture
def model(lit: Checkout) -> Iterator[Path]:
    """The handler's file, put back at the end. No quota: these tests save more often than anybody can."""
    lit.api("POST", "/_local/settings", {"rate_limit": False})
    path = lit.root / "stacks/search/model.py"
    text = path.read_text()
    yield path
    path.write_text(text)
    lit.api("POST", "/_local/settings", {"rate_limit": True})


def tagged(text: str, tag: str) -> str:
    """The handler with a `predict` that answers with a tag of its own."""
    return text.replace(
        PREDICT, f'{PREDICT}):\n        return {{"tag": "{tag}"}}\n\n    def was(self, request'
    )


@BOTH
def test_saves_are_answered_mistakes_located_and_the_end_leaves_no_trace(
    lit: Checkout, model: Path, name: str
) -> None:
    text = model.read_text()
    dev = Dev(lit, name, "--input", json.dumps(QUESTION))
    try:
        dev.heard("refunds take five days")
        model.write_text(tagged(text, "one"))
        dev.heard('{"tag": "one"}')
        assert "already" in lit.run("pilotlight", "dev", name, code=1)

        model.write_text(text + "\ndef f(:\n")
        line = len(text.splitlines()) + 2
        dev.heard(f"error: stacks/search/model.py:{line}: ")
        dev.heard("keeps answering")
        model.write_text(text + "\n1 / 0\n")
        dev.heard(f"error: stacks/search/model.py:{line}: ")
        dev.heard("answers again")
        assert '"one"' in lit.run("pilotlight", "call", name, "--input", "{}")

        model.write_text(tagged(text, "two").replace('{"tag": "two"}', '{}["abc"]'))
        dev.heard("error: stacks/search/model.py:")
        hang = 'print("hanging"); __import__("time").sleep(600); return'
        model.write_text(tagged(text, "hangs").replace("return", hang, 1))
        dev.heard("  | hanging")
        model.write_text(tagged(text, "three"))
        dev.heard('{"tag": "three"}')
    finally:
        code = dev.end()
    assert code == 0
    dev.heard("put back what stack dev deployed")
    assert not any("Traceback" in line and "  | " not in line for line in dev.lines)
    model.write_text(text)
    assert "refunds" in lit.run("pilotlight", "call", name, "--input", json.dumps(QUESTION))


def test_what_a_killed_one_left_is_mended_by_the_next(lit: Checkout, model: Path) -> None:
    text = model.read_text()
    for name in ("search", "search-on-modal"):
        model.write_text(tagged(text, "killed"))
        dev = Dev(lit, name, "--input", json.dumps(QUESTION))
        dev.heard('{"tag": "killed"}')
        assert dev.end(signal.SIGKILL) == -signal.SIGKILL
        assert '"killed"' in lit.run("pilotlight", "call", name, "--input", "{}")
        model.write_text(tagged(text, "mended"))
        said = lit.run("pilotlight", "dev", name, "--once")
        assert "a killed `pilotlight dev` left" in said
        assert '"mended"' in said
        assert "put back what stack dev deployed" in said
        model.write_text(text)
    assert "11 unchanged" in lit.run("pulumi", "preview", "--refresh", "--stack", "dev")
