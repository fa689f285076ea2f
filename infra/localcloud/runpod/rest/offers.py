"""What the local RunPod has on offer: the catalog's GPU pools, CPU flavors and data centers, at its current prices."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from infra import catalog


@dataclass(frozen=True)
class GpuType:
    id: str
    name: str
    pool: str
    memory_gb: int
    usd_per_second: Decimal | None


@dataclass(frozen=True)
class Offers:
    gpus: dict[str, GpuType]
    pools: dict[str, tuple[str, ...]]
    cpus: dict[str, catalog.CpuFlavor]
    data_centers: dict[str, catalog.DataCenter]
    usd_per_vcpu_second: Decimal

    def usd_per_second(self, gpu_type_id: str | None, gpu_count: int, vcpu: int) -> Decimal:
        """The price of one worker. A GPU type that the price book lacks costs nothing here."""
        if gpu_type_id is None:
            return self.usd_per_vcpu_second * vcpu
        gpu = self.gpus.get(gpu_type_id)
        return ((gpu and gpu.usd_per_second) or Decimal(0)) * gpu_count


@cache
def load() -> Offers:
    facts = catalog.load()
    prices = facts.prices()
    priced = set(prices.gpus("runpod"))
    gpus = {}
    for pool, types in facts.runpod_pools.items():
        for id in types:
            gpu = facts.gpu_of_runpod_type(id)
            if gpu is None:
                continue
            price = prices.usd_per_gpu_hour("runpod", gpu.name) / 3600 if gpu.name in priced else None
            name = id.removeprefix("NVIDIA ").removeprefix("GeForce ")
            gpus[id] = GpuType(id, name, pool, gpu.vram_gib, price)
    return Offers(
        gpus=gpus,
        pools=facts.runpod_pools,
        cpus=facts.cpu_flavors,
        data_centers=facts.data_centers,
        usd_per_vcpu_second=prices.usd_per_vcpu_hour("runpod") / 3600,
    )
