"""The end of the loop: what the stack deployed comes back, and nothing that somebody else put there is touched."""

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.cli import dev, dev_state
from infra.cli.call import CallError
from infra.cli.dev_record import Record
from infra.cli.dev_state import MODAL, Deployed, NotDeployed, Row

ENDPOINT = Row("", MODAL, "id", "", "", {"module": "v0"}, {"url": "http://127.0.0.1"})
BEFORE = Deployed("search", "dev", ENDPOINT, replace(ENDPOINT, inputs={"target": "local"}))
AFTER_UP = replace(BEFORE, endpoint=replace(ENDPOINT, inputs={"module": "v9"}))


class Target:
    def __init__(self, live: str | None, fails: bool = False) -> None:
        self.running, self.fails = live, fails
        self.cleaned: list[str] = []

    async def live(self) -> str | None:
        return self.running

    async def swap(self, version: str) -> None:
        if self.fails:
            raise CallError("the cloud did not answer")
        self.running = version

    async def clean(self, versions: list[str]) -> None:
        self.cleaned = versions


class Loop:
    current = "v2"


def end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: Target,
    *,
    state: Deployed | Exception = BEFORE,
    keep: bool = False,
    versions: tuple[str, ...] = ("v1", "v2"),
) -> list[str]:
    """The versions that are still on record."""

    def read(root: Path, stack: str, name: str) -> Deployed:
        if isinstance(state, Exception):
            raise state
        return state

    monkeypatch.setattr(dev_state, "read", read)
    args = argparse.Namespace(name="search", stack="dev", keep=keep)
    with Record(tmp_path, "dev", "search") as record:
        for version in versions:
            record.note(version)
        stand_ins: Any = (target, Loop())
        asyncio.run(dev._end(args, tmp_path, BEFORE, record, *stand_ins))
        return record.versions


def test_what_the_stack_deployed_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target("v2")
    assert end(tmp_path, monkeypatch, target) == []
    assert target.running == "v0"
    assert target.cleaned == ["v1", "v2"]
    assert "put back what stack dev deployed (v0)" in capsys.readouterr().err


def test_it_is_what_the_stack_deploys_now_after_an_up_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target("v2")
    end(tmp_path, monkeypatch, target, state=AFTER_UP)
    assert target.running == "v9"


def test_the_state_of_the_beginning_serves_where_there_is_none_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target("v2")
    end(tmp_path, monkeypatch, target, state=NotDeployed("gone"))
    assert target.running == "v0"


@pytest.mark.parametrize(
    ("live", "said"), [("v7", "somebody else"), (None, "gone"), ("v0", "runs what stack")]
)
def test_what_is_not_ours_stays(
    live: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = Target(live)
    assert end(tmp_path, monkeypatch, target) == []
    assert target.running == live
    assert said in capsys.readouterr().err


def test_keep_leaves_the_last_version_and_says_what_makes_it_official(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target("v2")
    assert end(tmp_path, monkeypatch, target, keep=True) == ["v1", "v2"]
    assert target.running == "v2"
    assert "`pulumi up -s dev` makes it official" in capsys.readouterr().err


def test_a_cloud_that_does_not_answer_keeps_the_record_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(tmp_path, monkeypatch, Target("v2", fails=True)) == ["v1", "v2"]
    said = capsys.readouterr().err
    assert "is not put back" in said
    assert "pulumi refresh -s dev" in said


def test_nothing_is_said_where_nothing_was_swapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    end(tmp_path, monkeypatch, Target("v0"), versions=())
    assert capsys.readouterr().err == ""
