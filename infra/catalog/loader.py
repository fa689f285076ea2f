"""Reads the YAML once, on demand, and answers questions about it."""

from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from infra.catalog import behaviour
from infra.catalog.model import (
    Alternative,
    Capability,
    ColdStartFact,
    CpuFlavor,
    DataCenter,
    GpuClass,
    Hardware,
    Limit,
    RunpodSelection,
    squeeze,
)
from infra.catalog.prices import PriceBook
from infra.spec.errors import PilotlightError
from infra.spec.nearest import nearest

CURRENT_PRICE_BOOK = "market-2026-11"


class UnknownGpu(PilotlightError):
    """No such GPU class, or the cloud does not offer it."""


@cache
def load() -> "Catalog":
    return Catalog(Path(__file__).parent)


class Catalog:
    """The facts under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._books: dict[str, PriceBook] = {}

    @cached_property
    def gpus(self) -> dict[str, GpuClass]:
        """All classes by canonical name, in the file's order."""
        classes = _read(self._root / "gpus.yaml")["classes"]
        return {name: _gpu_class(name, entry) for name, entry in classes.items()}

    def gpu(self, name: str) -> GpuClass:
        """The class by its canonical name or alias. Raises UnknownGpu with the nearest names."""
        found = self.gpus.get(name) or self._gpu_aliases.get(name)
        if found is None:
            nearest = self.suggest_gpu(name)
            raise UnknownGpu(
                f'unknown GPU class "{name}"',
                wanted=f"one of: {', '.join(self.gpus)}",
                fix=f"did you mean {' or '.join(nearest)}?" if nearest else "",
            )
        return found

    def suggest_gpu(self, name: str, count: int = 3) -> list[str]:
        """Canonical names nearest to `name`, best first: matched against aliases and RunPod's type ids too."""
        spellings: dict[str, str] = {}
        for gpu in self.gpus.values():
            for spelling in (gpu.name, *gpu.aliases, *gpu.runpod_type_ids, *gpu.runpod_pod_type_ids):
                spellings.setdefault(spelling, gpu.name)
        return list(dict.fromkeys(spellings[s] for s in nearest(name, spellings, 5)))[:count]

    def gpu_of_runpod_type(self, type_id: str) -> GpuClass | None:
        """The narrowest class that holds this RunPod GPU type, whatever its spacing; None for a card not listed."""
        return self._runpod_types.get(squeeze(type_id))

    @cached_property
    def runpod_pools(self) -> dict[str, tuple[str, ...]]:
        """RunPod's serverless pools and the GPU type ids in each."""
        pools: dict[str, dict[str, None]] = {}
        for gpu in self.gpus.values():
            if gpu.runpod_pool:
                pools.setdefault(gpu.runpod_pool, {}).update(dict.fromkeys(gpu.runpod_type_ids))
        return {pool: tuple(types) for pool, types in pools.items()}

    def runpod_selection(self, names: Iterable[str]) -> RunpodSelection:
        """Pools and exclusions that leave exactly the cards of these classes. Raises UnknownGpu with the reason for a
        class that RunPod's serverless lacks."""
        wanted: dict[str, None] = {}
        pools: dict[str, None] = {}
        for gpu in map(self.gpu, names):
            if gpu.runpod_pool is None:
                raise UnknownGpu(
                    f"RunPod cannot run {gpu.name}: {gpu.runpod_reason}", fix=self._runpod_offer(gpu)
                )
            pools[gpu.runpod_pool] = None
            wanted.update(dict.fromkeys(gpu.runpod_type_ids))
        cards = (card for pool in pools for card in self.runpod_pools[pool])
        return RunpodSelection(tuple(pools), tuple(card for card in cards if card not in wanted))

    @cached_property
    def capabilities(self) -> dict[tuple[str, str], Capability]:
        """By (cloud, feature)."""
        data = _read(self._root / "capabilities.yaml")
        sources = data.pop("sources")
        return {
            (cloud, feature): Capability(
                cloud=cloud,
                feature=feature,
                supported=entry["supported"],
                how=entry.get("how", ""),
                reason=entry.get("reason", ""),
                alternative=entry.get("alternative", ""),
                source=sources[cloud]["name"],
                date=str(sources[cloud]["date"]),
            )
            for cloud, features in data.items()
            for feature, entry in features.items()
        }

    def capability(self, cloud: str, feature: str) -> Capability:
        """`feature` is the spec's field ("workers.buffer") or field:value ("scaler:queue_delay"). KeyError if nobody
        has written it down."""
        return self.capabilities[(cloud, feature)]

    @cached_property
    def limits(self) -> dict[tuple[str, str], Limit]:
        """By (cloud, name)."""
        return {
            (cloud, name): Limit(
                cloud=cloud,
                name=name,
                min=entry.get("min"),
                max=entry.get("max"),
                default=entry.get("default"),
                unit=entry["unit"],
                note=entry.get("note", ""),
                source=section["source"],
                date=str(section["date"]),
            )
            for cloud, section in _read(self._root / "limits.yaml").items()
            for name, entry in section["limits"].items()
        }

    def limit(self, cloud: str, name: str) -> Limit:
        return self.limits[(cloud, name)]

    def hardware(self, gpu: str) -> Hardware | None:
        """What a card of this class can do; None where there are no figures that we trust."""
        return self._hardware.get(self.gpu(gpu).name)

    def cold_start(self, cloud: str, phase: str) -> ColdStartFact | None:
        """`phase`: "acquire", "image", "weights", "load", "load_cpu", "load_llm", "snapshot", "flashboot"."""
        return self._cold_starts.get((cloud, phase))

    def assumed_size_gb(self, what: str) -> float:
        """What stands in for an undeclared size ("image", "weights"), in 10^9 bytes."""
        return float(self._cold_start_file["defaults"][f"{what}_gb"])

    @property
    def observed_cold_starts(self) -> list[dict[str, Any]]:
        """Whole cold starts as others saw them: {cloud, what, range_s, source, date}."""
        sources = self._cold_start_file["sources"]
        return [
            {**row, "source": sources[row["source"]]["name"], "date": str(sources[row["source"]]["date"])}
            for row in self._cold_start_file["observed"]
        ]

    @cached_property
    def scaler_defaults(self) -> dict[str, dict[str, Any]]:
        """By cloud: how it adds, removes and bills workers."""
        return _read(self._root / "scaler_defaults.yaml")

    @cached_property
    def alternatives(self) -> list[Alternative]:
        """Other places to run a model, to compare against."""
        return behaviour.alternatives(_read(self._root / "alternatives.yaml"))

    @cached_property
    def cpu_flavors(self) -> dict[str, CpuFlavor]:
        data = _read(self._root / "cpus.yaml")
        return {
            id: CpuFlavor(
                id, e["group"], e["name"], e["ram_gib_per_vcpu"], data["vcpu"]["min"], data["vcpu"]["max"]
            )
            for id, e in data["flavors"].items()
        }

    @cached_property
    def data_centers(self) -> dict[str, DataCenter]:
        """RunPod's, as last read. A newer one may be missing: never refuse an id because it is not here."""
        entries = _read(self._root / "datacenters.yaml")["datacenters"]
        return {
            id: DataCenter(id, e["region"], e.get("s3", False), e.get("cpu", False))
            for id, e in entries.items()
        }

    def prices(self, book: str = CURRENT_PRICE_BOOK) -> PriceBook:
        """A dated price book. Raises PilotlightError naming the books that exist."""
        if book not in self._books:
            file = self._root / "prices" / f"{book}.yaml"
            if book not in self.price_books:
                raise PilotlightError(
                    f'no price book "{book}"', wanted=f"one of: {', '.join(self.price_books)}"
                )
            self._books[book] = PriceBook(_read(file))
        return self._books[book]

    @cached_property
    def price_books(self) -> list[str]:
        return sorted(file.stem for file in (self._root / "prices").glob("*.yaml"))

    @cached_property
    def _hardware(self) -> dict[str, Hardware]:
        return behaviour.hardware(_read(self._root / "hardware.yaml"))

    @cached_property
    def _cold_start_file(self) -> dict[str, Any]:
        return _read(self._root / "cold_starts.yaml")

    @cached_property
    def _cold_starts(self) -> dict[tuple[str, str], ColdStartFact]:
        return behaviour.cold_starts(self._cold_start_file)

    @cached_property
    def _gpu_aliases(self) -> dict[str, GpuClass]:
        return {alias: gpu for gpu in self.gpus.values() for alias in gpu.aliases}

    @cached_property
    def _runpod_types(self) -> dict[str, GpuClass]:
        types: dict[str, GpuClass] = {}
        for gpu in sorted(self.gpus.values(), key=lambda gpu: len(gpu.runpod_type_ids)):
            for type_id in (*gpu.runpod_type_ids, *gpu.runpod_quirk_ids, *gpu.runpod_pod_type_ids):
                types.setdefault(squeeze(type_id), gpu)
        return types

    def _runpod_offer(self, gpu: GpuClass) -> str:
        """The smallest classes of RunPod's with at least as much memory."""
        fitting = [g for g in self.gpus.values() if g.runpod_pool and g.vram_gib >= gpu.vram_gib]
        names = [g.name for g in sorted(fitting, key=lambda g: g.vram_gib)[:3]]
        return f"use {', '.join(names)}" if names else ""


def _gpu_class(name: str, entry: dict[str, Any]) -> GpuClass:
    runpod, modal = entry["runpod"], entry["modal"]
    return GpuClass(
        name=name,
        vram_gib=entry["vram_gib"],
        aliases=tuple(entry.get("aliases", ())),
        runpod_pool=runpod["pool"],
        runpod_type_ids=tuple(runpod["types"]),
        runpod_quirk_ids=tuple(runpod.get("quirks", ())),
        runpod_pod_type_ids=tuple(runpod.get("pod_types", ())),
        runpod_reason=runpod.get("reason", ""),
        modal_id=modal["id"],
        modal_max_count=modal.get("max_count"),
        modal_reason=modal.get("reason", ""),
    )


def _read(path: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open("rb") as file:
        data: dict[str, Any] = yaml.load(file, Loader=loader)
    return data
