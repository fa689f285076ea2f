"""The toy provider in a real Pulumi project, and its cloud."""

import os
import shutil
from pathlib import Path
from typing import Any

import pulumi

from infra.kit.names import of_model
from infra.kit.sdk import CustomResource
from tests.kit.process import Boxes
from tests.kit.project import Project
from tests.kit.toy import BoxState

BOX = "toy:index:Box"


class Box(CustomResource):
    token = BOX
    names = of_model(BoxState)
    url: pulumi.Output[str]

    def __init__(self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **args: Any) -> None:
        super().__init__(resource_name, args, opts)


class Stack(Project):
    """The stack `dev` of the project `shop`, with one provider, `toy`."""

    def __init__(self, directory: Path, pulumi_cli: str) -> None:
        self.cloud = directory / "cloud"
        super().__init__(directory, pulumi_cli, "toy", "tests.kit.process:serve_toy", TOY_DIR=str(self.cloud))

    @staticmethod
    def make(directory: Path, pulumi_cli: str) -> "Stack":
        stack = Stack(directory, pulumi_cli)
        stack.lay_out()
        stack.init()
        return stack

    def copy(self, directory: Path) -> "Stack":
        directory.mkdir()
        for name in ("state", "home"):
            shutil.copytree(self.directory / name, directory / name)
        shutil.copy(self.directory / "Pulumi.dev.yaml", directory)
        stack = Stack(directory, self._cli)
        stack.lay_out()
        return stack

    def lay_out(self) -> None:
        (self.cloud / "boxes").mkdir(parents=True)
        for pipe in ("reached", "go"):
            os.mkfifo(self.cloud / pipe)
        super().lay_out()
        self.program("")

    @property
    def boxes(self) -> Boxes:
        return Boxes(self.cloud / "boxes")

    def program(self, body: str) -> None:
        (self.directory / "__main__.py").write_text(
            f"import pulumi\nfrom tests.kit.stack import Box\n{body}\n"
        )

    def hold(self, point: str) -> None:
        """The next create stops at `before-id` or `before-ready`."""
        (self.cloud / f"hold-{point}").touch()

    def until_held(self) -> None:
        (self.cloud / "reached").read_text()

    def resources(self, type: str = BOX) -> list[dict[str, Any]]:
        return super().resources(type)
