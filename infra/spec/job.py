"""A function that runs once for each time it is started, and goes on from its last checkpoint."""

from typing import Self

import pydantic

from infra.spec.base import Cloud
from infra.spec.machine import Machine


class JobSpec(Machine):
    """A training run: a long timeout, attempts that go on where the one before stopped, and one container at most."""

    cloud: Cloud = Cloud.MODAL
    timeout_s: int = pydantic.Field(default=86_400, ge=1, le=86_400)
    retries: int = pydantic.Field(default=3, ge=0, le=10)
    checkpoint_path: str = "/checkpoints"
    """Where the checkpoints' volume is mounted."""
    tags: dict[str, str] = {}

    @pydantic.model_validator(mode="after")
    def _a_place_of_its_own(self) -> Self:
        if not self.checkpoint_path.startswith("/"):
            raise ValueError(
                f"checkpoint_path is {self.checkpoint_path!r}. Wanted: an absolute path such as /checkpoints"
            )
        if any(mount.path == self.checkpoint_path for mount in self.volumes):
            raise ValueError(
                f"{self.checkpoint_path} is mounted twice. Wanted: another path in volumes, or another "
                "checkpoint_path"
            )
        return self
