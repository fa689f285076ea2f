"""Files that outlive workers: what declares them, and how another declaration refers to one."""

from typing import Any, Self

import pydantic

from infra.spec.base import Cloud, Spec


class VolumeSpec(Spec):
    """A volume of a cloud. One with a size and a data center is a network volume of RunPod; Modal's have neither."""

    cloud: Cloud | None = None
    """Where it is; left out, RunPod's for one with `size_gib` or `regions`, else Modal's."""
    size_gib: int | None = pydantic.Field(default=None, ge=1)
    """Size of a network volume. It can grow, and never shrinks."""
    regions: list[str] = []
    """The one data center that holds a network volume. Whatever mounts it runs there."""
    high_performance: bool = False
    """The faster kind of network volume."""
    volume_name: str | None = None
    """The volume's name in the cloud; made from the resource's name when unset."""
    force_destroy: bool = False
    """Whether destroying the stack may delete a volume that still holds files."""

    @property
    def placed(self) -> Cloud:
        """The cloud, where it follows from the rest."""
        if self.cloud is not None:
            return self.cloud
        return Cloud.RUNPOD if self.size_gib is not None or self.regions else Cloud.MODAL

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Self:
        if self.placed is Cloud.RUNPOD:
            if self.size_gib is None:
                raise ValueError("size_gib is not set. Wanted on RunPod: a size, such as 50")
            if len(self.regions) != 1:
                found = ", ".join(self.regions) or "none"
                raise ValueError(
                    f"regions has {found}. Wanted on RunPod: the one data center that holds the volume, such as "
                    '["EU-RO-1"]'
                )
        if self.placed is Cloud.MODAL:
            given = [name for name in ("size_gib", "regions", "high_performance") if getattr(self, name)]
            if given:
                raise ValueError(
                    f"{' and '.join(given)} given. Modal's volumes grow by themselves and are in no data center. "
                    'Fix: remove it, or cloud="runpod"'
                )
        return self


class DeclaredVolume:
    """A volume that the same program declares. The cloud's name of it may be known only once it is there."""

    declared_name: str
    """What the program calls it."""
    cloud: Cloud
    volume_name: Any
    """What the cloud calls it (Modal: a name, RunPod: an id): a text, or something that becomes one."""
    data_center: str | None = None
    """The data center that it is bound to, where the cloud binds it to one."""
