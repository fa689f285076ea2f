"""The table of settings in docs/real-cloud.md is what the providers really take."""

import re
from pathlib import Path

from infra.artifacts.__main__ import Config as Artifacts
from infra.kit.model import specs
from infra.modal.config import Config as Modal
from infra.runpod.config import Config as RunPod

PAGE = Path(__file__).resolve().parents[2] / "docs/real-cloud.md"
ROW = re.compile(r"^\| `(pilotlight-\w+):(\w+)`( \(secret\))? \| (?:`(\w+)`)? ?\|", re.MULTILINE)


def test_each_package_s_settings_are_listed_with_the_variable_behind_each() -> None:
    packages = {"pilotlight-runpod": RunPod, "pilotlight-modal": Modal, "pilotlight-artifacts": Artifacts}
    real = {
        (package, spec.wire): (spec.meta.secret, spec.meta.env or "")
        for package, config in packages.items()
        for spec in specs(config)
    }
    listed = {(row[0], row[1]): (bool(row[2]), row[3]) for row in ROW.findall(PAGE.read_text())}
    assert listed == real
