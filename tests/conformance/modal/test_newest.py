"""The newest release of the Python client judges the local Modal and reports; it gates nothing, because nobody here decides
what it asks for. `pytest -m campaign tests/conformance/modal/test_newest.py -s`"""

import json
import shutil
import subprocess
import sys
import venv
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conformance.modal.verdicts import judge
from tests.localcloud.modal.whole import WholeModal

pytestmark = [pytest.mark.campaign, pytest.mark.xdist_group("modal-judge")]

ROOT = Path(__file__).parents[3]
JUDGE = Path(__file__).with_name("judge.py")


@pytest.fixture
def newest(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An interpreter with nothing but the newest client."""
    if "campaign" not in request.config.getoption("markexpr"):
        pytest.skip("a campaign, which asks the package registry: run it with -m campaign")
    noted = ROOT / ".pilotlight" / "toolchain.json"
    uv = shutil.which("uv") or (json.loads(noted.read_text()).get("uv") if noted.exists() else None)
    if uv is None:
        pytest.skip("uv not found (make setup notes where it is): it installs the newest client")
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    command = [uv, "pip", "install", "--upgrade", "--python", str(python), "modal"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"the newest modal could not be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


def test_what_the_newest_release_says(newest: Path, cloud: WholeModal) -> None:
    asked = subprocess.check_output(
        [newest, "-c", "import modal; print(modal.__version__)"], text=True, env=cloud.environment()
    )
    verdicts = judge([str(newest), str(JUDGE)], cloud.environment(), cloud.state)
    unknown = cloud.world.server.unknown
    failed = [verdict for verdict in verdicts.values() if verdict.error]
    lines = [
        f"modal {asked.strip()} (the lock has {version('modal')}, Python {sys.version.split()[0]}):",
        f"{len(verdicts) - len(failed)} of {len(verdicts)} checks passed",
        *(f"{verdict.check}: {verdict.error.strip().splitlines()[-1]}" for verdict in failed),
        *(f"not known here: {name}, asked {count} times" for name, count in unknown.items()),
    ]
    warnings.warn("\n".join(lines), stacklevel=1)
