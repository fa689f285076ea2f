"""What one function runs on: shared by the steps of pipelines and by jobs."""

import pydantic

from infra.spec.base import Spec
from infra.spec.endpoint import CpuSpec
from infra.spec.references import SecretRef
from infra.spec.storage import VolumeMount


class Machine(Spec):
    """A function of the image's code and the machine that it asks for. Cores and memory may go with a GPU."""

    entry: str
    """`file.py:function`, relative to the image's handler directory."""
    gpu: list[str] = []
    """Canonical GPU classes of the catalog in order of preference; none = a machine without a GPU."""
    gpu_count: int = pydantic.Field(default=1, ge=1, le=8)
    cpu: CpuSpec | None = None
    timeout_s: int = pydantic.Field(default=300, ge=1, le=86_400)
    """The longest that one attempt may run."""
    retries: int = pydantic.Field(default=0, ge=0, le=10)
    """Attempts after the first that fails."""
    volumes: list[VolumeMount] = []
    secrets: list[SecretRef] = []

    @pydantic.field_validator("gpu", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @pydantic.field_validator("entry")
    @classmethod
    def _names_a_function(cls, value: str) -> str:
        file, _, function = value.partition(":")
        if not file.endswith(".py") or not function.isidentifier():
            raise ValueError(f'found {value!r}. Wanted: "file.py:function", such as "embed.py:embed"')
        return value

    @property
    def function(self) -> str:
        """The function's own name."""
        return self.entry.partition(":")[2]

    @property
    def longest_s(self) -> int:
        """Seconds that all attempts may run together."""
        return self.timeout_s * (1 + self.retries)
