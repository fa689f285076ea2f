"""The declaration of one model endpoint: the same on either cloud."""

from enum import Enum
from typing import Literal, Self

import pydantic

from infra.spec.base import Cloud, EndpointKind, Spec
from infra.spec.expectations import Budget, Slo, Traffic
from infra.spec.model_facts import LlmSpec, Sizes
from infra.spec.questions import Questions
from infra.spec.references import RegistryRef, SecretRef
from infra.spec.scaling import Scaler, Workers
from infra.spec.storage import VolumeMount


class Auth(Enum):
    """Who may call an endpoint. `CLOUD` is the cloud's own key (RunPod API key, Modal proxy auth token)."""

    CLOUD = "cloud"
    NONE = "none"


class CpuSpec(Spec):
    """A worker without a GPU."""

    vcpu: int = pydantic.Field(default=2, ge=1)
    memory_gib: float | None = pydantic.Field(default=None, gt=0)


class EndpointSpec(Spec):
    """A model endpoint. Each field maps to both clouds or is refused with the reason (`catalog/capabilities.yaml`)."""

    cloud: Cloud = Cloud.AUTO
    kind: EndpointKind = EndpointKind.QUEUE
    gpu: list[str] | Literal["auto"] | None = None
    """Canonical GPU classes of the catalog in order of preference, "auto", or nothing for a CPU endpoint."""
    gpu_count: int = pydantic.Field(default=1, ge=1, le=8)
    """GPUs for each worker."""
    cpu: CpuSpec | None = None
    workers: Workers | Literal["auto"] = Workers()
    idle_timeout_s: int = pydantic.Field(default=60, ge=1, le=3600)
    """Seconds without a request before a worker is let go."""
    concurrency: int = pydantic.Field(default=1, ge=1)
    """Requests that one worker serves at once."""
    scaler: Scaler = Scaler()
    fast_boot: bool = False
    """Modal memory snapshots, RunPod FlashBoot."""
    timeout_s: int = pydantic.Field(default=300, ge=5, le=86_400)
    """The longest a single request may run."""
    regions: list[str] = []
    """Where workers may run; empty = anywhere (a Modal region has a price multiplier)."""
    volumes: list[VolumeMount] = []
    secrets: list[SecretRef] = []
    env: dict[str, str] = {}
    registry: RegistryRef | None = None
    """Credentials for an image, or its base, that is not public."""
    auth: Auth = Auth.CLOUD
    disk_gib: int | None = pydantic.Field(default=None, ge=1)
    """Size of a worker's scratch disk."""
    traffic: Traffic | None = None
    slo: Slo | None = None
    budget: Budget | None = None
    llm: LlmSpec | None = None
    """Of a language model: decides whether it fits a card, and how fast it is."""
    sizes: Sizes | None = None
    questions: Questions | None = None
    """Answers that tip the placement of `cloud="auto"`."""
    tags: dict[str, str] = {}
    placed: list[str] = []
    """The fields that were left open and that a placement has filled; not to be set by hand."""

    @pydantic.field_validator("gpu", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) and value != "auto" else value

    @pydantic.model_validator(mode="after")
    def _gpu_xor_cpu(self) -> Self:
        if self.gpu is not None and self.cpu is not None:
            raise ValueError("both gpu and cpu given. Wanted: one of them. Fix: remove the other")
        if self.gpu == []:
            raise ValueError(
                "gpu is an empty list. Wanted: at least one GPU class, or no gpu for a CPU endpoint"
            )
        return self
