"""A price book: what a cloud charges at one date, as exact decimals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from infra.spec.errors import PilotlightError

SECONDS_PER_HOUR = 3600


class PriceMissing(PilotlightError):
    """The book has no such price: the cloud does not sell it, or nobody has looked."""


@dataclass(frozen=True)
class Price:
    """USD per unit, with where and when it was read (ISO date)."""

    usd: Decimal
    unit: str
    source: str
    date: str


class PriceBook:
    """Prices in USD. `kind` is "serverless", "pod_secure" or "pod_community"; "vm" for the cloud "traditional"."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.name = str(data["book"])
        self.as_of = str(data["as_of"])

    def age_days(self, today: date) -> int:
        """Days since the prices were looked at."""
        return (today - date.fromisoformat(self.as_of)).days

    def gpu(self, cloud: str, gpu: str, kind: str = "serverless") -> Price:
        """Per GPU and hour. Raises PriceMissing, naming what the book does have."""
        table = self._data["gpu"].get(cloud, {}).get(kind)
        if table is None:
            known = ", ".join(f"{c} {k}" for c, kinds in self._data["gpu"].items() for k in kinds)
            raise PriceMissing(
                f"price book {self.name} has no {kind} prices for {cloud}", wanted=f"one of: {known}"
            )
        if gpu not in table:
            known = ", ".join(k for k in table if k not in ("source", "unit"))
            raise PriceMissing(
                f"price book {self.name} has no {kind} price for {gpu} on {cloud}",
                wanted=f"one of: {known}",
                fix="choose a GPU class that the cloud sells, or add the price with its source and date",
            )
        return self._price(table, table[gpu], "GPU-hour")

    def usd_per_gpu_hour(self, cloud: str, gpu: str, kind: str = "serverless") -> Decimal:
        return self.gpu(cloud, gpu, kind).usd

    def kinds(self) -> list[tuple[str, str]]:
        """(cloud, kind) of every table of GPU prices."""
        return [(cloud, kind) for cloud, kinds in self._data["gpu"].items() for kind in kinds]

    def gpus(self, cloud: str, kind: str = "serverless") -> list[str]:
        """The classes that the book prices for this cloud."""
        table = self._data["gpu"].get(cloud, {}).get(kind, {})
        return [name for name in table if name not in ("source", "unit")]

    def usd_per_vcpu_hour(self, cloud: str, kind: str = "serverless") -> Decimal:
        """Per vCPU. Modal prices physical cores: one core counts as two vCPU here."""
        table = self._section("cpu", cloud)
        if "core" in table:
            return self._price(table, table["core"], "core-hour").usd / 2
        if kind not in table:
            raise PriceMissing(f"price book {self.name} has no {kind} CPU price for {cloud}")
        return self._price(table, table[kind], "vCPU-hour").usd

    def usd_per_core_hour(self, cloud: str) -> Decimal:
        """Per physical core (Modal's unit)."""
        return self.usd_per_vcpu_hour(cloud) * 2

    def usd_per_gib_hour(self, cloud: str) -> Decimal:
        """Memory, per GiB. Zero where it comes with the worker."""
        table = self._section("memory", cloud)
        return self._price(table, table["gib"], "GiB-hour").usd

    def usd_per_gib_month(self, cloud: str, kind: str = "volume") -> Decimal:
        """Storage: "volume", "volume_over_1tb" or "container_disk"."""
        table = self._section("storage", cloud)
        if kind not in table:
            raise PriceMissing(f"price book {self.name} has no {kind} price for {cloud}")
        return Decimal(table[kind])

    def multiplier(self, cloud: str, name: str) -> Decimal:
        """A factor on compute prices ("region_broad", "region_narrow", "non_preemptible"); 1 where there is none."""
        return Decimal(self._data["multipliers"].get(cloud, {}).get(name, "1"))

    def region_multiplier(self, cloud: str, regions: Iterable[str]) -> Decimal:
        """The dearest of the regions' factors; 1 for anywhere. A region that is not known to be broad is narrow."""
        broad = set(self._data["multipliers"].get(cloud, {}).get("broad_regions", ()))
        names = ("region_broad" if region in broad else "region_narrow" for region in regions)
        return max((self.multiplier(cloud, name) for name in names), default=Decimal(1))

    def object_storage(self, store: str, kind: str) -> Price:
        """`store`: "s3" or "r2". `kind`: "gb_month", "class_a" and "class_b" (a million requests), "egress" (a GB)."""
        table = self._section("object_storage", store)
        if kind not in table:
            raise PriceMissing(f"price book {self.name} has no {kind} price for {store}")
        source = self._data["sources"][table["source"]]
        return Price(Decimal(table[kind]), kind, str(source["name"]), str(source["date"]))

    def _section(self, section: str, cloud: str) -> Mapping[str, Any]:
        table: Mapping[str, Any] | None = self._data[section].get(cloud)
        if table is None:
            raise PriceMissing(f"price book {self.name} has no {section} prices for {cloud}")
        return table

    def _price(self, table: Mapping[str, Any], amount: str, unit: str) -> Price:
        factor = SECONDS_PER_HOUR if table["unit"] == "usd_per_s" else 1
        source = self._data["sources"][table["source"]]
        return Price(Decimal(amount) * factor, unit, str(source["name"]), str(source["date"]))
