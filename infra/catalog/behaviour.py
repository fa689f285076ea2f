"""From YAML to facts about how cards and clouds behave: speed, cold starts, other places."""

from collections.abc import Mapping
from typing import Any

from infra.catalog.model import Alternative, ColdStartFact, Hardware

_NOT_CLOUDS = ("sources", "defaults", "observed")


def hardware(data: Mapping[str, Any]) -> dict[str, Hardware]:
    return {name: Hardware(name, *row) for name, row in data["classes"].items()}


def cold_starts(data: Mapping[str, Any]) -> dict[tuple[str, str], ColdStartFact]:
    return {
        (cloud, phase): _fact(cloud, phase, entry, data["sources"])
        for cloud, phases in data.items()
        if cloud not in _NOT_CLOUDS
        for phase, entry in phases.items()
    }


def alternatives(data: Mapping[str, Any]) -> list[Alternative]:
    source = data["source"]
    return [
        Alternative(
            id, row["name"], row["good_for"], row["watch"], row["price"], source["name"], str(source["date"])
        )
        for id, row in data["alternatives"].items()
    ]


def _fact(cloud: str, phase: str, entry: Mapping[str, Any], sources: Mapping[str, Any]) -> ColdStartFact:
    source = sources[entry["source"]]
    return ColdStartFact(
        cloud=cloud,
        phase=phase,
        p50_s=entry.get("p50_s"),
        p95_s=entry.get("p95_s"),
        p50_gb_per_s=entry.get("p50_gb_per_s"),
        p95_gb_per_s=entry.get("p95_gb_per_s"),
        p50_factor=entry.get("p50_factor"),
        p95_factor=entry.get("p95_factor"),
        hit_rate=entry.get("hit_rate"),
        billed=entry.get("billed", True),
        note=entry.get("note", ""),
        source=source["name"],
        date=str(source["date"]),
    )
