"""Set-up itself: the shared cache, which CLI it takes, and that it does nothing where nothing has changed."""

import io
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import setup
from bootstrap import console, places, pulumi, store
from bootstrap.console import Step, run

from infra.cli.toolchain import ROOT, ToolchainError, schemacheck, toolchain


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PILOTLIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def step() -> Step:
    return Step("a step", out=io.StringIO())


def test_an_entry_is_built_once(cache: Path, step: Step) -> None:
    built = []

    def build(into: Path) -> None:
        built.append(into)
        (into / "file").write_text("x")

    assert store.entry("a-1", step, build) == cache / "a-1"
    assert store.entry("a-1", step, build) == cache / "a-1"
    assert len(built) == 1
    assert (cache / "a-1/file").read_text() == "x"


def test_a_failed_build_leaves_nothing_and_may_be_repeated(cache: Path, step: Step) -> None:
    def fail(into: Path) -> None:
        (into / "half").write_text("x")
        raise places.SetupError("no space")

    with pytest.raises(places.SetupError):
        store.entry("a-1", step, fail)
    assert [path.name for path in cache.iterdir()] == [".a-1.lock"]
    assert list(store.entry("a-1", step, lambda into: None).iterdir()) == []


def test_what_a_killed_build_left_is_cleared(cache: Path, step: Step) -> None:
    (cache / ".a-1.tmp-killed").mkdir(parents=True)
    store.entry("a-1", step, lambda into: None)
    assert not (cache / ".a-1.tmp-killed").exists()


def test_two_set_ups_at_once_build_once(cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    building, go_on, counter = context.Event(), context.Event(), context.Value("i", 0)

    def build(into: Path) -> None:
        counter.value += 1
        building.set()
        go_on.wait(10)

    def set_up() -> None:
        store.entry("a-1", Step("s", out=io.StringIO()), build)

    first, second = context.Process(target=set_up), context.Process(target=set_up)
    first.start()
    assert building.wait(10)
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)
    assert (first.exitcode, second.exitcode, counter.value) == (0, 0, 1)


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("version", "host", "taken"),
    [
        ("v3.259.0", True, True),
        ("v3.300.1", True, True),
        ("v3.258.9", True, False),
        ("v3.259.0", False, False),
    ],
)
def test_a_pulumi_on_path_is_taken_if_recent_and_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, host: bool, taken: bool
) -> None:
    found = program(tmp_path / "bin/pulumi", version)
    if host:
        program(tmp_path / "bin/pulumi-language-python", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'empty'}:{tmp_path / 'bin'}:/usr/bin:/bin")
    assert pulumi.on_path() == (found if taken else None)


def test_our_own_shim_is_not_taken_for_a_cli(checkout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program(checkout.root / "bin/pulumi-language-python", "")
    monkeypatch.setenv("PATH", f"{checkout.root / 'bin'}:/usr/bin:/bin")
    assert pulumi.on_path() is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.259.0\n", (3, 259, 0)),
        ("go1.26.8", (1, 26, 8)),
        ("uv 0.13.9 (abc 2026-01-01)", (0, 13, 9)),
        ("none", ()),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, ...]) -> None:
    assert places.version_of(text.replace("uv", " ")) == version


def test_a_failed_command_says_what_it_said(step: Step) -> None:
    with pytest.raises(places.SetupError, match=r"(?s)failed with code 3:.*out of gas"):
        run(step, [sys.executable, "-c", "import sys; print('out of gas', file=sys.stderr); sys.exit(3)"])


def test_a_long_step_gives_a_sign_of_life_and_a_short_one_does_not() -> None:
    now, out = [0.0], io.StringIO()
    with Step("build", out=out, clock=lambda: now[0]) as step:
        step.note("1 of 9")
        now[0] = console.BEAT_S
        step.note("2 of 9")
        step.note("3 of 9")
        now[0] = 75.0
        step.done("built")
    assert out.getvalue() == "     build: 2 of 9 (10.0 s)\nok   build: built (1 min 15 s)\n"


def test_set_up_does_nothing_where_nothing_has_changed(tools: Any) -> None:
    if not setup.is_current():
        pytest.skip("set-up has not run since its inputs changed: `make setup`")
    command = [sys.executable, ROOT / "tools/setup.py"]
    began = time.monotonic()
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert again.stderr + again.stdout == ""
    assert time.monotonic() - began < 2.0  # 0.15 s on a machine at rest


def test_a_checkout_without_set_up_is_told_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"make -C .* setup"):
        toolchain(tmp_path)
    assert "make -C" in str(schemacheck(tmp_path))


def test_make_down_is_quiet_where_nothing_was_set_up(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    command = ["make", "--no-print-directory", "down"]  # `make test` itself runs this in a make
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "nothing is set up here, so nothing runs\n"


def test_the_schema_checker_accepts_a_good_schema_and_names_what_is_wrong() -> None:
    checker = schemacheck()
    if isinstance(checker, str):
        pytest.skip(checker)
    thing = '{"name": "toy", "resources": {"toy:index:Thing": {"inputProperties": {"a": %s}, "requiredInputs": %s}}}'
    good = check(checker, thing % ('{"type": "string"}', '["a"]'))
    assert (good.returncode, good.stdout) == (0, "toy: 1 resources, 0 types, 0 functions\n")
    bad = check(checker, thing % ('{"$ref": "#/types/toy:index:Missing"}', '["zz"]'))
    assert bad.returncode == 1
    assert "toy:index:Missing not found" in bad.stderr
    assert check(checker, "{").returncode == 1
    assert check(checker, "", os.devnull + "/none").returncode == 2


def check(checker: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checker, *arguments], input=text, capture_output=True, text=True, check=False)
