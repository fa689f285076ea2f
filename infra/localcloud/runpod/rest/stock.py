"""What is in stock where: everything everywhere, less what the setting `stock` takes away."""

from collections.abc import Iterable
from typing import Any

from infra.localcloud.core.settings import Settings, StockLevel
from infra.localcloud.runpod.rest.offers import Offers

# The words of the real API, which has no code of its own for it.
NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)
LEVELS: tuple[StockLevel, ...] = ("NONE", "LOW", "MEDIUM", "HIGH")


class Stock:
    def __init__(self, settings: Settings, offers: Offers) -> None:
        self._settings = settings
        self._offers = offers

    def of_gpu(self, gpu_type_id: str, data_center: str) -> StockLevel:
        return self._settings.stock_of(data_center, gpu_type_id, self._offers.pool_of(gpu_type_id))

    def of_cpu(self, flavor_id: str, data_center: str) -> StockLevel:
        return self._settings.stock_of(data_center, flavor_id)

    def of(self, type_id: str, data_center: str) -> StockLevel:
        """Of a GPU type or a CPU flavor."""
        if type_id in self._offers.gpus:
            return self.of_gpu(type_id, data_center)
        return self.of_cpu(type_id, data_center)

    def availability(self, type_id: str, places: Iterable[str]) -> dict[str, Any]:
        """The fields of the catalog: the best level, and the data centers that have any."""
        levels = {place: self.of(type_id, place) for place in places}
        found = [
            {"id": place, "name": place, "availability": level}
            for place, level in levels.items()
            if level != "NONE"
        ]
        if not found:
            return {"availability": "NONE"}
        return {"availability": max(levels.values(), key=LEVELS.index), "dataCenters": found}

    def place(self, type_id: str, places: Iterable[str]) -> str | None:
        """The data center, of these, that has most of it; the first of equals. None where no one has any."""
        levels = {place: LEVELS.index(self.of(type_id, place)) for place in places}
        best = max(levels, key=lambda place: levels[place], default=None)
        return best if best is not None and levels[best] > 0 else None
