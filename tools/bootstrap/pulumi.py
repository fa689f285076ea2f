"""The Pulumi CLI: from PATH, else the official release, else built here with a language host of our own beside it."""

import contextlib
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

from bootstrap import download, golang, store
from bootstrap.console import Step
from bootstrap.places import OLDEST_PULUMI, PULUMI, ROOT, VERSITYGW, cache, digest, go_sources, version_of

SHIM_MARK = "# pilotlight-shim"
VERSION_FLAG = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI}"


class Cli(NamedTuple):
    path: Path
    origin: str  # "path", "official" or "built"


def find(step: Step) -> Cli:
    """The CLI to use. What an earlier set-up left in the cache comes before a new download."""
    if found := on_path():
        return Cli(found, "path")
    official, built = cache() / f"pulumi-{PULUMI}-official", cache() / _built_name()
    if not official.is_dir() and not built.is_dir():
        try:
            store.entry(official.name, step, lambda into: download.pulumi(into, step))
        except download.Unavailable as error:
            step.say(f"no official release: {error}")
    if official.is_dir():
        return Cli(official / "bin/pulumi", "official")
    return Cli(store.entry(built.name, step, lambda into: _build(into, step)) / "bin/pulumi", "built")


def on_path() -> Path | None:
    """The first Pulumi on PATH that is no shim of ours, recent enough, and has its Python language host."""
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        candidate = Path(directory or ".") / "pulumi"
        if not os.access(candidate, os.X_OK) or _is_shim(candidate):
            continue
        if _version(candidate) < OLDEST_PULUMI:
            continue
        beside = candidate.resolve().parent / "pulumi-language-python"
        if os.access(beside, os.X_OK) or shutil.which("pulumi-language-python"):
            return candidate.absolute()
    return None


def schemacheck(cli: Cli | None, step: Step | None) -> Path | None:
    """The schema checker: beside a built CLI, else built now if there is a step to do it in."""
    beside = cache() / _built_name() / "bin/schemacheck"
    if beside.is_file():
        return beside
    alone = cache() / f"schemacheck-{PULUMI}-{digest(go_sources())}"
    if step is not None:
        store.entry(
            alone.name,
            step,
            lambda into: golang.build(step, golang.TOOLS, ["./cmd/schemacheck"], into / "bin"),
        )
    return alone / "bin/schemacheck" if alone.is_dir() else None


def versitygw(step: Step) -> Path:
    """The object store of the local cloud."""
    module = golang.TOOLS / "versitygw"
    name = f"versitygw-{VERSITYGW}-{digest([module / 'go.mod', module / 'go.sum'])}"
    package = "github.com/versity/versitygw/cmd/versitygw"
    return (
        store.entry(name, step, lambda into: golang.build(step, module, [package], into / "bin"))
        / "bin/versitygw"
    )


def _build(into: Path, step: Step) -> None:
    packages = [
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        "./cmd/pulumi-language-python",
        "./cmd/schemacheck",
    ]
    golang.build(step, golang.TOOLS, packages, into / "bin", f"-s -w {VERSION_FLAG}")
    sdk = golang.source_of(step, golang.TOOLS, "github.com/pulumi/pulumi/sdk/v3")
    _script(sdk / "python/cmd/pulumi-language-python-exec", into / "bin")
    _script(ROOT / "tools/bootstrap/pulumi-resource-pulumi-python", into / "bin")


def _built_name() -> str:
    return f"pulumi-{PULUMI}-{digest(go_sources())}"


def _script(source: Path, into: Path) -> None:
    target = into / source.name
    shutil.copyfile(source, target)
    target.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)


def _is_shim(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return SHIM_MARK.encode() in file.read(200)
    return False


def _version(path: Path) -> tuple[int, ...]:
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        said = subprocess.run(
            [path, "version"], env=env, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return version_of(said.stdout)
