"""Dated facts about the clouds: GPU classes, capabilities, limits, prices. Data in YAML, one loader, no opinions.

`load()` gives the catalog; each file is read when first asked for and kept. Every fact carries its source and date.
"""

from infra.catalog.loader import Catalog, UnknownGpu, load
from infra.catalog.model import Capability, CpuFlavor, DataCenter, GpuClass, Limit, RunpodSelection
from infra.catalog.prices import Price, PriceBook, PriceMissing

__all__ = [
    "Capability",
    "Catalog",
    "CpuFlavor",
    "DataCenter",
    "GpuClass",
    "Limit",
    "Price",
    "PriceBook",
    "PriceMissing",
    "RunpodSelection",
    "UnknownGpu",
    "load",
]
