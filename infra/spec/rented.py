"""A machine that is rented by the hour, beside what scales to zero."""

from typing import Self

import pydantic

from infra.spec.base import Cloud, Spec
from infra.spec.endpoint import CpuSpec
from infra.spec.references import RegistryRef, SecretRef
from infra.spec.storage import VolumeMount


class RentedMachineSpec(Spec):
    """A machine that stays: for weeks of fine-tuning, for notebooks, or for an endpoint that never rests."""

    cloud: Cloud = Cloud.RUNPOD
    image: str
    """Any image that the cloud can pull, best pinned by digest."""
    args: str = ""
    """What the image's entrypoint is given, in one string."""
    gpu: str | None = None
    """A canonical GPU class of the catalog; none = a machine without a GPU."""
    gpu_count: int = pydantic.Field(default=1, ge=1, le=8)
    cpu: CpuSpec | None = None
    running: bool = True
    """False keeps its disk and ends the bill of the machine."""
    community: bool = False
    """Whether it may be one of the cheaper machines of RunPod's community."""
    disk_gib: int | None = pydantic.Field(default=None, ge=1)
    """Size of the container's disk, which a stop empties."""
    volume_gib: int | None = pydantic.Field(default=None, ge=10)
    """Size of a disk that stays when the machine is stopped, at /workspace."""
    volumes: list[VolumeMount] = []
    """At most one network volume, in place of `volume_gib`."""
    ports: list[str] = []
    """Ports to expose, such as 8888/http or 22/tcp."""
    ssh: bool = False
    """Whether the account's SSH keys get in."""
    regions: list[str] = []
    """Where it may be made; empty = anywhere."""
    secrets: list[SecretRef] = []
    registry: RegistryRef | None = None

    @pydantic.model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.gpu is not None and self.cpu is not None:
            raise ValueError("both gpu and cpu given. Wanted: one of them. Fix: remove the other")
        if self.volume_gib is not None and self.volumes:
            raise ValueError("both volume_gib and volumes given. Wanted: one of them. Fix: remove the other")
        return self
