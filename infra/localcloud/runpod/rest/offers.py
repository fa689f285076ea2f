"""What the local RunPod has on offer: the catalog's GPU pools, CPU flavors and data centers, at its current prices."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from infra import catalog


@dataclass(frozen=True)
class GpuType:
    """`pool` is None for a type that is offered to pods only. Prices are per GPU; None where the price book has none."""

    id: str
    name: str
    pool: str | None
    memory_gb: int
    usd_per_second: Decimal | None
    pod_usd_per_second: Decimal | None = None


@dataclass(frozen=True)
class Offers:
    gpus: dict[str, GpuType]
    pools: dict[str, tuple[str, ...]]
    cpus: dict[str, catalog.CpuFlavor]
    data_centers: dict[str, catalog.DataCenter]
    usd_per_vcpu_second: Decimal
    pod_usd_per_vcpu_second: Decimal
    usd_per_gb_second: dict[str, Decimal]  # "volume", "volume_over_1tb", "container_disk"
    volume_types: dict[str, tuple[str, ...]]  # data center -> tiers; one without volumes is absent
    global_networks: tuple[str, ...]  # data centers

    def pod_rates(
        self, gpu_type_id: str | None, gpu_count: int, vcpu: int, disk_gb: int
    ) -> dict[str, Decimal]:
        """USD per second of a pod that runs, by component."""
        rates = {"disk": self.usd_per_gb_second["container_disk"] * disk_gb}
        if gpu_type_id is None:
            return rates | {"cpu": self.pod_usd_per_vcpu_second * vcpu}
        return rates | {"gpu": (self.gpus[gpu_type_id].pod_usd_per_second or Decimal(0)) * gpu_count}

    def volume_rates(self, size_gb: int, tier: str = "STANDARD") -> dict[str, Decimal]:
        """USD per second of a network volume: the first 1000 GB at one price, the rest at another.

        The price book has no price of its own for the high-performance tier.
        """
        first = min(size_gb, 1000)
        rest = size_gb - first
        price = self.usd_per_gb_second
        component = "standard" if tier == "STANDARD" else "highPerformance"
        return {component: price["volume"] * first + price["volume_over_1tb"] * rest}

    def pool_of(self, gpu_type_id: str) -> str | None:
        return self.gpus[gpu_type_id].pool

    def usd_per_second(self, gpu_type_id: str | None, gpu_count: int, vcpu: int) -> Decimal:
        """The price of one worker. A GPU type that the price book lacks costs nothing here."""
        if gpu_type_id is None:
            return self.usd_per_vcpu_second * vcpu
        gpu = self.gpus.get(gpu_type_id)
        return ((gpu and gpu.usd_per_second) or Decimal(0)) * gpu_count


MAX_GPUS = 8  # per pod: the largest machines that docs.runpod.io lists (2026-08)
# The one data center that REST v2's description (2026-08) shows with high-performance volumes and global networking.
_FULL = ("US-KS-2",)
_SECONDS_PER_MONTH = 730 * 3600


@cache
def load() -> Offers:
    facts = catalog.load()
    prices = facts.prices()
    in_pools = {id: pool for pool, types in facts.runpod_pools.items() for id in types}
    pod_only = {
        id: None for gpu in facts.gpus.values() for id in gpu.runpod_pod_type_ids if id not in in_pools
    }
    gpus = {}
    for id, pool in (in_pools | pod_only).items():
        gpu = facts.gpu_of_runpod_type(id)
        if gpu is None:
            continue
        name = id.removeprefix("NVIDIA ").removeprefix("GeForce ")
        serverless = _per_second(prices, gpu.name, "serverless") if pool else None
        gpus[id] = GpuType(
            id, name, pool, gpu.vram_gib, serverless, _per_second(prices, gpu.name, "pod_secure")
        )
    return Offers(
        gpus=gpus,
        pools=facts.runpod_pools,
        cpus=facts.cpu_flavors,
        data_centers=facts.data_centers,
        usd_per_vcpu_second=prices.usd_per_vcpu_hour("runpod") / 3600,
        pod_usd_per_vcpu_second=prices.usd_per_vcpu_hour("runpod", "pod_secure") / 3600,
        usd_per_gb_second={
            kind: prices.usd_per_gib_month("runpod", kind) / _SECONDS_PER_MONTH
            for kind in ("volume", "volume_over_1tb", "container_disk")
        },
        volume_types={
            id: ("STANDARD", "HIGH_PERFORMANCE") if id in _FULL else ("STANDARD",)
            for id, center in facts.data_centers.items()
            if center.s3
        },
        global_networks=_FULL,
    )


def _per_second(prices: catalog.PriceBook, gpu: str, kind: str) -> Decimal | None:
    if gpu not in prices.gpus("runpod", kind):
        return None
    return prices.usd_per_gpu_hour("runpod", gpu, kind) / 3600
