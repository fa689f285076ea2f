"""The wait before a worker starts, where the setting `cold_start` asks for the real cloud's."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.localcloud.runpod.model import EndpointRecord, PodRecord

_Z90 = 1.2815515655446004  # standard normal quantile of 0.9


def runpod_boot(source: random.Random) -> Callable[[EndpointRecord | PodRecord], float]:
    """Seconds for one start, drawn anew each time from the published distribution (coldstart.yaml). A pod never has
    FlashBoot."""
    facts: dict[str, Any] = {}

    def draw(record: EndpointRecord | PodRecord) -> float:
        if not facts:
            import yaml  # most daemons never get here

            facts.update(yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())["runpod"])
        flashboot = record.flashboot if isinstance(record, EndpointRecord) else "OFF"
        fast = flashboot != "OFF" and source.random() < facts["flashboot"]["hit"]
        kind = facts["flashboot" if fast else "cold"]
        sigma = math.log(kind["p90_s"] / kind["median_s"]) / _Z90
        return source.lognormvariate(math.log(kind["median_s"]), sigma)

    return draw
