"""Files that outlive workers: what declares them, and how another declaration refers to one."""

from typing import Any

from infra.spec.base import Cloud, Spec


class VolumeSpec(Spec):
    """A volume of a cloud."""

    cloud: Cloud = Cloud.MODAL
    volume_name: str | None = None
    """The volume's name in the cloud; made from the resource's name when unset."""
    force_destroy: bool = False
    """Whether destroying the stack may delete a volume that still holds files."""


class DeclaredVolume:
    """A volume that the same program declares. The cloud's name of it may be known only once it is there."""

    declared_name: str
    """What the program calls it."""
    cloud: Cloud
    volume_name: Any
    """The cloud's name of it: a text, or something that becomes one."""
