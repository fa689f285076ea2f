"""The header that pins a request to a worker: `X-Runpod-Worker-Id: [strict |strict-resume ]<worker id>`."""

from enum import Enum, auto
from typing import NamedTuple

HEADER = "X-Runpod-Worker-Id"


class Pin(Enum):
    NONE = auto()
    SOFT = auto()  # that worker if it can be had, else any
    STRICT = auto()  # that worker or none
    RESUME = auto()  # as strict, and a worker that was scaled down comes back for it


class Affinity(NamedTuple):
    pin: Pin
    worker_id: str = ""


def parse(header: str) -> Affinity:
    words = header.split()
    if not words:
        return Affinity(Pin.NONE)
    kind = {"strict": Pin.STRICT, "strict-resume": Pin.RESUME}.get(words[0].lower())
    if kind is not None and len(words) > 1:
        return Affinity(kind, words[1])
    return Affinity(Pin.SOFT, words[0])
