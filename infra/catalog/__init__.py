"""Dated facts about the clouds: GPU classes, capabilities, limits, prices. Data in YAML, one loader, no opinions.

`load()` gives the catalog; each file is read when first asked for and kept. Every fact carries its source and date.
"""

from infra.catalog.loader import Catalog, UnknownGpu, load
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
)
from infra.catalog.prices import Price, PriceBook, PriceMissing

__all__ = [
    "Alternative",
    "Capability",
    "Catalog",
    "ColdStartFact",
    "CpuFlavor",
    "DataCenter",
    "GpuClass",
    "Hardware",
    "Limit",
    "Price",
    "PriceBook",
    "PriceMissing",
    "RunpodSelection",
    "UnknownGpu",
    "load",
]
