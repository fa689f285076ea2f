"""A function that runs once for each time it is started, and goes on from its last checkpoint."""

from typing import Any, Self

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
    arguments: dict[str, Any] = {}
    """On RunPod: keyword arguments of the function. On Modal each start brings its own."""
    run: str = pydantic.Field(default="1", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """On RunPod: names the run. A run that has ended well is not repeated; another name is another run."""
    checkpoint_gib: int = pydantic.Field(default=20, ge=10)
    """On RunPod, where no volume is given: size of the pod's own disk for checkpoints."""
    disk_gib: int | None = pydantic.Field(default=None, ge=1)
    """Size of the scratch disk."""
    regions: list[str] = []
    """Where it may run; empty = anywhere."""
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
