"""What the local RunPod has on offer: GPU pools and their types, CPU flavors, data centers, prices."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True)
class GpuType:
    id: str
    name: str
    pool: str
    memory_gb: int


@dataclass(frozen=True)
class CpuFlavor:
    id: str
    name: str
    group: str
    ram_gb_per_vcpu: int
    vcpu_min: int
    vcpu_max: int


@dataclass(frozen=True)
class DataCenter:
    id: str
    region: str
    has_volumes: bool


@dataclass(frozen=True)
class Offers:
    gpus: dict[str, GpuType]
    cpus: dict[str, CpuFlavor]
    data_centers: dict[str, DataCenter]
    pool_usd_per_second: dict[str, Decimal | None]
    usd_per_vcpu_second: Decimal

    def pool(self, name: str) -> list[GpuType]:
        """The pool's types; empty for a pool that does not exist."""
        return [gpu for gpu in self.gpus.values() if gpu.pool == name]

    def usd_per_second(self, gpu_type_id: str | None, gpu_count: int, vcpu: int) -> Decimal:
        """The price of one worker by `data/catalog.yaml`; a GPU type without a published price costs nothing here."""
        if gpu_type_id is None:
            return self.usd_per_vcpu_second * vcpu
        gpu = self.gpus.get(gpu_type_id)
        rate = self.pool_usd_per_second[gpu.pool] if gpu else None
        return (rate or Decimal(0)) * gpu_count


@cache
def load() -> Offers:
    raw = yaml.safe_load((Path(__file__).parent / "data" / "catalog.yaml").read_text())
    vcpu_min, vcpu_max = raw["cpus"]["vcpu"]
    volumes = set(raw["volume_data_centers"].split())
    return Offers(
        gpus={
            id: GpuType(id, name, pool, memory)
            for pool, entry in raw["pools"].items()
            for id, (name, memory) in entry["types"].items()
        },
        cpus={
            id: CpuFlavor(id, name, group, ram, vcpu_min, vcpu_max)
            for id, (name, group, ram) in raw["cpus"]["flavors"].items()
        },
        data_centers={
            id: DataCenter(id, raw["regions"][id.split("-")[0]], id in volumes)
            for id in raw["data_centers"].split()
        },
        pool_usd_per_second={
            pool: Decimal(entry["usd_per_second"]) if entry["usd_per_second"] else None
            for pool, entry in raw["pools"].items()
        },
        usd_per_vcpu_second=Decimal(raw["cpus"]["usd_per_vcpu_hour"]) / 3600,
    )
