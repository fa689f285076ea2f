"""Where weights come from and what a worker mounts."""

from enum import Enum
from typing import Annotated, Any, Self

import pydantic

from infra.spec.base import Spec
from infra.spec.volume import DeclaredVolume


class BucketKind(Enum):
    """The object storage behind a bucket."""

    S3 = "s3"
    R2 = "r2"


class BucketSpec(Spec):
    """A bucket for weights, in S3 or in an S3-compatible store such as Cloudflare R2."""

    bucket_name: str | None = None
    """The bucket's name; made from the resource's name when unset."""
    kind: BucketKind = BucketKind.S3
    region: str | None = None
    force_destroy: bool = False
    """Whether destroying the stack may delete a bucket that still holds objects."""


class WeightsSpec(Spec):
    """A local directory of safetensors to be staged in a bucket."""

    source: str
    """The directory, relative to the project."""
    include: list[str] = ["*"]
    exclude: list[str] = []
    allow_pickle: bool = False
    """Whether pickle files, which can run code when loaded, may be staged."""


def _volume(value: object) -> str | DeclaredVolume:
    if isinstance(value, str | DeclaredVolume):
        return value
    raise ValueError(f"found {value!r}. Wanted: a ModelVolume, or the cloud's name or id of a volume")


def _volume_in_words(value: str | DeclaredVolume) -> str:
    return value if isinstance(value, str) else value.declared_name


class VolumeMount(Spec):
    """A volume as an endpoint mounts it. In a list of volumes a `ModelVolume` may stand for itself."""

    volume: Annotated[
        str | DeclaredVolume,
        pydantic.PlainValidator(_volume),
        pydantic.PlainSerializer(_volume_in_words, return_type=str),
    ]
    """A `ModelVolume`, or the cloud's name or id of a volume."""
    path: str = "/volume"
    read_only: bool = False
    sub_path: str | None = None
    data_center: str | None = None
    """The data center a RunPod network volume is bound to; known of a `ModelVolume`."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _stands_for_itself(cls, value: Any) -> Any:
        return {"volume": value} if isinstance(value, str | DeclaredVolume) else value

    @pydantic.model_validator(mode="after")
    def _absolute(self) -> Self:
        if not self.path.startswith("/"):
            raise ValueError(f"path is {self.path!r}. Wanted: an absolute path such as /volume")
        return self

    @property
    def bound_to(self) -> str | None:
        """The data center, as far as the program knows it."""
        if self.data_center is None and isinstance(self.volume, DeclaredVolume):
            return self.volume.data_center
        return self.data_center

    @property
    def reference(self) -> Any:
        """The cloud's name or id: a text, or something that becomes one."""
        return self.volume if isinstance(self.volume, str) else self.volume.volume_name
