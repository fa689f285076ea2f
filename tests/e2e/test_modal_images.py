"""docs/modal.md as a program: one image in its two renderings, and endpoints that read a file of a volume."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.cli.toolchain import ROOT
from infra.localcloud.core import namespace
from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.xdist_group("e2e")

HANDLER = """
import importlib.metadata
from pathlib import Path


class Model:
    def load(self, weights): ...

    def predict(self, request):
        import numpy

        found = {f"{item.name.lower()}=={item.version}" for item in importlib.metadata.distributions()}
        shelf = Path("/shelf/words.txt")
        return {
            "packages": sorted(found),
            "sum": int(numpy.arange(4).sum()),
            "words": shelf.read_text() if shelf.exists() else None,
        }
"""
PAGE = ROOT / "docs/modal.md"
OUTPUTS = """
pulumi.export("apps", [chain.resource.name, pulled.resource.name])
pulumi.export("shelf", shelf.volume_name)
"""
ASK = """
import io, json, modal, sys
shelf, *apps = sys.argv[1:]
with modal.Volume.from_name(shelf).batch_upload() as batch:
    batch.put_file(io.BytesIO(b"to be read"), "/words.txt")
print(json.dumps([modal.Cls.from_name(app, "Model")().predict.remote({}) for app in apps]))
"""


@pytest.fixture(scope="module")
def answers(_deployed: tuple[Checkout, str]) -> Iterator[list[dict[str, Any]]]:
    """Of the endpoint whose image Modal builds, and of the one whose image it pulls."""
    checkout, _ = _deployed
    probe = checkout.root / "stacks/probe"
    probe.mkdir()
    (probe / "model.py").write_text(HANDLER)
    (probe / "requirements.txt").write_text("numpy==2.4.6\nfilelock==4.2.12\n")
    demo = (checkout.root / "stacks/__main__.py").read_text()
    settings = (checkout.root / "stacks/Pulumi.dev.yaml").read_text()
    (checkout.root / "stacks/Pulumi.probe.yaml").write_text(settings)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    checkout.program("\n".join([*blocks, OUTPUTS]).replace("stacks/search", "stacks/probe"))
    stack = ("--stack", "probe")
    checkout.run("pulumi", "stack", "init", "probe", "--non-interactive")
    try:
        checkout.run("pulumi", "up", "--yes", "--skip-preview", *stack)
        outputs = json.loads(checkout.run("pulumi", "stack", "output", "--json", *stack))
        assert outputs["tools"]["version"] == 1
        lines = checkout.run("pilotlight", "cloud", "env").splitlines()
        pairs = (line.removeprefix("export ").split("=", 1) for line in lines if "MODAL_" in line)
        variables = {name: value.strip("'") for name, value in pairs}
        said = checkout.run("python", "-c", ASK, outputs["shelf"], *outputs["apps"], **variables)
        yield json.loads(said.splitlines()[-1])
    finally:
        checkout.run("pulumi", "destroy", "--yes", "--skip-preview", "--remove", *stack)
        checkout.program(demo)
        checkout.run("pulumi", "stack", "select", "dev")


def test_both_renderings_of_an_image_have_the_same_packages(answers: list[dict[str, Any]]) -> None:
    built, pulled = answers
    assert built["packages"] == pulled["packages"]
    assert {"numpy==2.4.6", "filelock==4.2.12"} <= set(built["packages"])
    assert built["sum"] == pulled["sum"] == 6


@pytest.mark.skipif(not namespace.possible(), reason="this kernel allows no mount namespaces")
def test_an_endpoint_reads_a_file_of_the_volume_that_it_mounts(answers: list[dict[str, Any]]) -> None:
    assert [answer["words"] for answer in answers] == ["to be read"] * 2
