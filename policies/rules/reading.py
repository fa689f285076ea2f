"""What rules read from a resource's inputs, whichever cloud it is for. An unknown value raises `NotKnownYet`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.spec.findings import UNKNOWN, Finding, Severity
from policies.rules.rule import MODAL_APP, RUNPOD_ENDPOINT, RUNPOD_POD
from policies.rules.subject import NotKnownYet, Subject

if TYPE_CHECKING:
    from infra.catalog import Catalog

__all__ = [
    "NotKnownYet",
    "Part",
    "at_up",
    "classes_of",
    "gpu_classes",
    "known",
    "parts",
    "settled",
    "workers",
]


def known(value: Any) -> Any:
    """The value itself."""
    if value is UNKNOWN:
        raise NotKnownYet
    return value


def settled(value: Any) -> Any:
    """The value, where all of it is known."""
    if isinstance(value, Mapping):
        return {key: settled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [settled(item) for item in value]
    return known(value)


def at_up(rule: str, path: str, what: str) -> Finding:
    """A finding that the rule is proved at `up`."""
    return Finding(rule, path, f"{what} is known, and judged, at `up`", severity=Severity.DEFERRED)


@dataclass(frozen=True)
class Part:
    """One thing that scales by itself: an endpoint, a pod, or a class or function of an app. `path` ends in a dot, or is ""."""

    path: str
    inputs: Mapping[str, Any]


def parts(subject: Subject) -> Iterator[Part]:
    """The parts of a resource that computes."""
    if subject.type != MODAL_APP:
        yield Part("", subject.inputs)
        return
    for kind in ("classes", "functions"):
        for name, service in (known(subject.inputs.get(kind)) or {}).items():
            yield Part(f"{kind}.{name}.", known(service))


def gpu_classes(subject: Subject) -> Iterator[tuple[str, str]]:
    """(property, canonical class) of every card that a worker may get; a card that the catalog lacks by the cloud's name."""
    catalog = subject.context.catalog
    if subject.type == MODAL_APP:
        by_id = {gpu.modal_id: gpu.name for gpu in catalog.gpus.values() if gpu.modal_id}
        for part in parts(subject):
            for index, gpu in enumerate(known(part.inputs.get("gpu")) or ()):
                card = str(known(gpu)).partition(":")[0]
                yield f"{part.path}gpu[{index}]", by_id.get(card, card)
        return
    gpu = settled(subject.inputs.get("gpu"))
    if not gpu:
        return
    if subject.type == RUNPOD_POD:
        card = str(known(gpu.get("id")))
        found = catalog.gpu_of_runpod_type(card)
        yield "gpu.id", found.name if found else card
        return
    if subject.type == RUNPOD_ENDPOINT:
        excluded = set(known(gpu.get("excludedTypes")) or ())
        for index, pool in enumerate(known(gpu.get("pools")) or ()):
            cards = [card for card in catalog.runpod_pools.get(pool, (pool,)) if card not in excluded]
            for name in dict.fromkeys(
                found.name if (found := catalog.gpu_of_runpod_type(card)) else card for card in cards
            ):
                yield f"gpu.pools[{index}]", name


def classes_of(catalog: "Catalog", name: str) -> set[str]:
    """A class by any of its names, with those that it stands for: H100 is any H100 card. Raises `UnknownGpu`."""
    gpu = catalog.gpu(name)
    cards = map(catalog.gpu_of_runpod_type, gpu.runpod_type_ids)
    return {gpu.name, *(card.name for card in cards if card is not None)}


def workers(subject: Subject) -> Iterator[tuple[str, int, int | None]]:
    """(property, fewest, most) of each part; most is None where nothing bounds it."""
    for part in parts(subject):
        if subject.type == MODAL_APP:
            most = known(part.inputs.get("maxContainers"))
            yield (
                f"{part.path}maxContainers",
                int(known(part.inputs.get("minContainers")) or 0),
                None if most is None else int(most),
            )
        elif subject.type == RUNPOD_ENDPOINT:
            given = known(part.inputs.get("workers")) or {}
            most = known(given.get("max"))
            default = subject.context.catalog.limit("runpod", "workers_max").default
            yield (
                "workers.max",
                int(known(given.get("min")) or 0),
                int(default or 0) if most is None else int(most),
            )
