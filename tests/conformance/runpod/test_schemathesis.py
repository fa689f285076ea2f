"""Schemathesis over RunPod's description: every answer as described, nothing accepted that is not, no crash.

One of its checks is left out: that a body which fits the schema is accepted. The description itself says of many that
they are not (exactly one of gpu and cpu, a volume that would shrink, a name that is taken, an include without product).
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conformance.runpod import description
from tests.conformance.runpod.serving import Served
from tests.conformance.runpod.tools import SCHEMATHESIS, missing, python

NOT_OURS = "positive_data_acceptance"
REASON = description.missing() or missing(SCHEMATHESIS)
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


def judge(local: Served, folder: Path, *options: str) -> str:
    """Its report. Fails where it found anything."""
    location = folder / "description.json"
    location.write_text(json.dumps(description.consistent()))
    done = subprocess.run(
        [
            *(python(SCHEMATHESIS).with_name("schemathesis"), "run", location, "--url", local.url),
            *("-H", f"Authorization: Bearer {local.key}", "--continue-on-failure", "--no-color"),
            *("--checks", "all", "--exclude-checks", NOT_OURS, "--seed", "20261124", *options),
        ],
        env={**os.environ, **local.environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert re.search(r"Tested: 53\b", done.stdout), done.stdout[-2000:]
    return done.stdout


def test_the_examples_of_the_description(local: Served, tmp_path: Path) -> None:
    judge(local, tmp_path, "--phases", "examples,fuzzing", "-n", "1")


@pytest.mark.campaign
def test_every_operation(local: Served, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if "campaign" not in request.config.getoption("markexpr"):
        pytest.skip("a campaign of some minutes: run it with -m campaign")
    judge(local, tmp_path, "-n", "60", "--max-time", "400")
