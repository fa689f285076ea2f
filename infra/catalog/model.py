"""The shapes of the catalog's facts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuClass:
    """One canonical GPU class and its names in each cloud.

    A cloud that lacks the class has a null id (`modal_id`, `runpod_pool`) and says why in `modal_reason` or
    `runpod_reason`. `runpod_type_ids` are the class's cards inside its pool, `runpod_quirk_ids` further spellings that
    the API has been seen to return, `runpod_pod_type_ids` cards offered as pods only.
    """

    name: str
    vram_gib: int
    aliases: tuple[str, ...]
    runpod_pool: str | None
    runpod_type_ids: tuple[str, ...]
    runpod_quirk_ids: tuple[str, ...]
    runpod_pod_type_ids: tuple[str, ...]
    runpod_reason: str
    modal_id: str | None
    modal_max_count: int | None
    modal_reason: str


@dataclass(frozen=True)
class RunpodSelection:
    """What `gpu.pools` and `gpu.excludedTypes` must say so that exactly the wanted classes remain."""

    pools: tuple[str, ...]
    excluded_types: tuple[str, ...]


@dataclass(frozen=True)
class Capability:
    """Whether a cloud can do what a field of the spec asks; if not, why, and what would work instead."""

    cloud: str
    feature: str
    supported: bool
    how: str
    reason: str
    alternative: str
    source: str
    date: str


@dataclass(frozen=True)
class Limit:
    """A range that a cloud enforces; `default` is what it takes when the field is left out. None = not stated."""

    cloud: str
    name: str
    min: float | None
    max: float | None
    default: float | None
    unit: str
    note: str
    source: str
    date: str

    def allows(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    @property
    def range(self) -> str:
        """In words, such as "1 to 3600 s" or "at least 0.5 s"."""
        if self.min is not None and self.max is not None:
            return f"{self.min:.15g} to {self.max:.15g} {self.unit}"
        if self.min is not None:
            return f"at least {self.min:.15g} {self.unit}"
        if self.max is not None:
            return f"at most {self.max:.15g} {self.unit}"
        return f"any number of {self.unit}"


@dataclass(frozen=True)
class CpuFlavor:
    """One of RunPod's CPU flavors. `vcpu` counts are the powers of two from `vcpu_min` to `vcpu_max`."""

    id: str
    group: str
    name: str
    ram_gib_per_vcpu: float
    vcpu_min: int
    vcpu_max: int


@dataclass(frozen=True)
class DataCenter:
    """One of RunPod's data centers. `s3`: its network volumes speak S3. `cpu`: it offers CPU serverless."""

    id: str
    region: str
    s3: bool
    cpu: bool


def squeeze(type_id: str) -> str:
    """A GPU type id with single spaces: the API has been seen to write some with two."""
    return " ".join(type_id.split())


@dataclass(frozen=True)
class Hardware:
    """One card: memory bandwidth and host link in GB/s, dense TFLOP/s (`fp8_tflops` 0 = no fp8 units). `measured`:
    silicon measurements of this card went into the speed model."""

    gpu: str
    bandwidth_gb_s: float
    bf16_tflops: float
    fp8_tflops: float
    host_link_gb_s: float
    measured: bool


@dataclass(frozen=True)
class ColdStartFact:
    """One phase of a cold start: seconds, or a rate that bytes are divided by; p95 is the slow end. None = not of
    this kind. `factor`s multiply other phases (snapshots)."""

    cloud: str
    phase: str
    p50_s: float | None
    p95_s: float | None
    p50_gb_per_s: float | None
    p95_gb_per_s: float | None
    p50_factor: float | None
    p95_factor: float | None
    hit_rate: float | None
    billed: bool
    note: str
    source: str
    date: str


@dataclass(frozen=True)
class Alternative:
    """Another place to run a model. `usd_per_gpu_hour` None: no dated public price was read."""

    id: str
    name: str
    good_for: str
    watch: str
    usd_per_gpu_hour: str | None
    source: str
    date: str
