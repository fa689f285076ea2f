"""The training example in Modal's own container entrypoint, on volumes that are plain folders: cut off, and gone on with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli.toolchain import ROOT
from tests.localcloud.modal.running import RunningModal

CODE = (ROOT / "stacks/examples/training/train.py").read_text()
DEPLOYED = f"""{CODE}
train = app.function(
    image=image,
    volumes={{"/checkpoints": modal.Volume.from_name("kept")}},
    retries=modal.Retries(max_retries=1, initial_delay=0.0),
    max_containers=1,
    single_use_containers=True,
)(train)
"""
CALL = "answer = modal.Function.from_name('shop', 'train').remote"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningModal]:
    running = RunningModal(tmp_path / "modal")
    running.images.env |= {"PILOTLIGHT_CHECKPOINTS": "/checkpoints", "PILOTLIGHT_CHECKPOINT_VOLUME": "kept"}
    yield running
    running.close()


def test_each_attempt_goes_on_from_the_last_checkpoint(running: RunningModal) -> None:
    running.deploy(DEPLOYED)
    done = running.call(f"{CALL}(steps=100, fail_at=50)")
    assert (done["from"], done["to"]) == (40, 100)  # the first attempt was cut off at 50
    assert len(running.volumes.commits) >= 5  # at 20 and 40, then at 60, 80 and 100

    done = running.call(f"{CALL}(steps=200)")
    assert (done["from"], done["to"]) == (100, 200)
    assert done["loss"] < 1e-6
