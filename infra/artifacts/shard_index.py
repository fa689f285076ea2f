"""Rules for a `*.safetensors.index.json`: its shards and their headers must tell the same story."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.artifacts import safetensors

_NUMBERED = re.compile(r"-(\d+)-of-(\d+)\.safetensors$")


def problems(path: Path, shards: Mapping[str, Path]) -> list[str]:
    """Every reason to refuse this index. `shards`: the .safetensors files beside it, by base name."""
    try:
        index = json.loads(path.read_bytes())
    except ValueError as error:
        return [f"is not JSON: {error}"]
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map or not _strings(weight_map):
        return ["has no weight_map from tensor to file"]
    named = set(weight_map.values())
    unsafe = sorted(
        name for name in named if Path(name).name != name or "\\" in name or name in ("", ".", "..")
    )
    if unsafe:
        return [f"names {name!r}; wanted the plain name of a file beside it" for name in unsafe]
    found = [f"names shard {name!r}, which is not there" for name in sorted(named - shards.keys())]
    found += [f"does not name shard {name!r} beside it" for name in sorted(_siblings(path, shards) - named)]
    found += _count_problems(named)
    for name in sorted(named & shards.keys()):
        found += _shard_problems(name, shards[name], weight_map)
    return found


def _strings(weight_map: Mapping[Any, Any]) -> bool:
    return all(isinstance(value, str) for value in weight_map.values())


def _siblings(index: Path, shards: Mapping[str, Path]) -> set[str]:
    """The numbered shards of the same stem: `model.safetensors.index.json` goes with `model-1-of-2.safetensors`."""
    stem = index.name.removesuffix(".safetensors.index.json")
    return {name for name in shards if (match := _NUMBERED.search(name)) and name[: match.start()] == stem}


def _count_problems(named: set[str]) -> list[str]:
    numbered = {name: match for name in named if (match := _NUMBERED.search(name))}
    if not numbered:
        return []
    totals = {int(match[2]) for match in numbered.values()}
    if len(totals) > 1:
        return ["names shards of differing totals (-i-of-n)"]
    total = totals.pop()
    have = {int(match[1]) for match in numbered.values()}
    absent = sorted(set(range(1, total + 1)) - have)
    return [f"names no shard {number} of {total}" for number in absent[:5]]


def _shard_problems(name: str, path: Path, weight_map: Mapping[str, str]) -> list[str]:
    try:
        header, _ = safetensors.read_header(path)
    except safetensors.Corrupt:
        return []  # told once, by the check of the shard itself
    inside = safetensors.tensor_names(header)
    mapped = {tensor for tensor, file in weight_map.items() if file == name}
    found = [
        f"places tensor {tensor!r} in {name!r}, which lacks it" for tensor in sorted(mapped - inside)[:5]
    ]
    found += [f"does not list tensor {tensor!r} of {name!r}" for tensor in sorted(inside - mapped)[:5]]
    return found
