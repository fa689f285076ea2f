"""What is live against what the states hold: pure, one finding for each thing that a person should look at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from infra.cli.audit_live import Live, usd_per_day
from infra.cli.audit_stack import VOLUME, WEIGHTS, Held
from infra.cli.dev_state import MODAL, RUNPOD, Row
from infra.kit.mark import Mark

_WEIGHTS_KEY = "PILOTLIGHT_WEIGHTS"
_COSTS = frozenset({"endpoint", "pod", "network volume", "app", "volume"})


class Kind(Enum):
    """What is wrong. `--ignore` takes these words."""

    ORPHAN = "orphan"
    STRAY = "stray"
    UNKNOWN = "unknown"
    GONE = "gone"
    IDLE = "idle"
    BEHIND = "behind"
    LOWERED = "lowered"
    STALE_WEIGHTS = "stale-weights"


@dataclass(frozen=True)
class Finding:
    """`usd_per_day` is what it costs with nothing to do; None where that is not known or there is nothing to pay."""

    kind: Kind
    cloud: str
    object: str
    id: str
    name: str
    text: str
    fix: str
    usd_per_day: Decimal | None = None

    def as_data(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "cloud": self.cloud,
            "object": self.object,
            "id": self.id,
            "name": self.name,
            "text": self.text,
            "fix": self.fix,
            "usdPerDay": None if self.usd_per_day is None else f"{self.usd_per_day:.2f}",
        }


def judge(live: Sequence[Live], state: Held, others: Sequence[Held], asked: frozenset[str]) -> list[Finding]:
    """`state` is the stack that is audited, `others` all the project's other stacks, `asked` the clouds that answered."""
    everyone = [state, *others]
    known = {id for one in everyone for id in one.ids}
    by_id = {one.id: one for one in live}
    found = [
        finding
        for one in live
        if not known.intersection((one.id, *one.names))
        for finding in _not_held(one, everyone)
    ]
    for row in state.of(RUNPOD, MODAL, VOLUME):
        cloud = "modal" if row.type == MODAL else "runpod"
        if cloud not in asked:
            continue
        one = by_id.get(row.id)
        if one is None:
            what = {RUNPOD: "endpoint", MODAL: "app"}.get(row.type, "network volume")
            found.append(
                Finding(
                    Kind.GONE,
                    cloud,
                    what,
                    row.id,
                    state.title(row),
                    f"the state has it, {cloud} does not",
                    f"`pulumi refresh -s {state.stack}`, then `pulumi up`",
                )
            )
            continue
        found += _held(row, one, state, live)
    found += _newer_weights(state)
    order = list(Kind)
    return sorted(found, key=lambda one: (order.index(one.kind), -(one.usd_per_day or 0), one.name, one.id))


def _not_held(one: Live, everyone: Sequence[Held]) -> Iterator[Finding]:
    mark = Mark.parse(one.mark)
    if mark is None:
        if one.kind in _COSTS:
            yield _finding(
                Kind.UNKNOWN,
                one,
                "no stack of this project made it, and it carries no mark",
                "`pulumi import` it, or ask whose it is",
            )
        return
    owner = next((held.stack for held in everyone if mark.instance in held.instances), None)
    if owner is not None:
        text, kind = f"stack {owner!r} made it, and no state holds it any more", Kind.ORPHAN
        fix = f"`pulumi up -s {owner}` adopts it if it is still declared; else delete it in the console"
    else:
        text, kind = "it carries a mark of a stack that is not in this backend", Kind.STRAY
        fix = "look in the other backends and projects of this account before deleting it"
    yield _finding(kind, one, text, fix)


def _held(row: Row, one: Live, state: Held, live: Sequence[Live]) -> Iterator[Finding]:
    title = state.title(row)
    if row.type == MODAL:
        declared, runs = row.inputs.get("module"), one.facts.get("module")
        if runs is not None and runs != declared:
            yield _finding(
                Kind.BEHIND, one, f"runs {runs}, declared {declared}", f"`pulumi up -s {state.stack}`", title
            )
        return
    raw = one.facts["raw"]
    if row.type == VOLUME:
        mounted = {id for other in live for id in _mounted(other)}
        if row.id not in mounted:
            yield _finding(
                Kind.IDLE,
                one,
                f"{raw.get('size')} GB that nothing mounts",
                "remove it from the program, or mount it",
                title,
            )
        return
    yield from _endpoint(row, one, raw, state, title)


def _endpoint(row: Row, one: Live, raw: Mapping[str, Any], state: Held, title: str) -> Iterator[Finding]:
    from infra.runpod import idle
    from infra.runpod.endpoint_model import EndpointWorkers

    up = f"`pulumi up -s {state.stack}`"
    declared = str(row.inputs.get("image"))
    if raw.get("image") != declared:
        yield _finding(Kind.BEHIND, one, f"runs {raw.get('image')}, declared {declared}", up, title)
    workers = one.facts.get("workers") or {}
    crew = workers.get("workers") or []
    old = [worker for worker in crew if worker.get("isStale")]
    if old:
        yield _finding(
            Kind.BEHIND,
            one,
            f"{len(old)} of {len(crew)} workers run a version before {workers.get('endpointVersion')}",
            "wait for their jobs to end, or look at `pilotlight cloud logs`",
            title,
        )
    has = (raw.get("env") or {}).get(_WEIGHTS_KEY)
    wanted = (row.inputs.get("env") or {}).get(_WEIGHTS_KEY)
    if isinstance(wanted, str) and has != wanted:
        yield _finding(Kind.STALE_WEIGHTS, one, f"loads {has}, declared {wanted}", up, title)
    given = row.inputs.get("workers")
    if isinstance(given, Mapping):
        limits = EndpointWorkers(min=int(given.get("min", 0)), max=int(given.get("max", 3)))
        most = idle.lowered(dict(raw), limits)
        if most is not None:
            yield _finding(
                Kind.LOWERED,
                one,
                f"RunPod lowered max workers to {most} for want of requests (declared: {limits.max})",
                f"{up} raises it again, or remove an endpoint that nobody calls",
                title,
            )
    on = min(int(raw["workers"]["min"]), sum(worker.get("status") == "IDLE" for worker in crew))
    if on and not any(worker.get("status") == "RUNNING" for worker in crew):
        yield _finding(
            Kind.IDLE,
            one,
            f"{on} worker{'s' * (on > 1)} kept on (workers.min = {raw['workers']['min']}) with no request now",
            "lower workers.min, or see `pilotlight plan` for what that does to waiting",
            title,
        )


def _newer_weights(state: Held) -> Iterator[Finding]:
    """Weights that were staged, and endpoints that still name those of before: an update that ended half way."""
    newest = {
        str(row.outputs["uri"]).rpartition("/manifests/")[0]: str(row.outputs["uri"])
        for row in state.of(WEIGHTS)
        if row.outputs.get("uri")
    }
    for row in state.of(RUNPOD, MODAL):
        names = row.inputs.get("weights") or (row.inputs.get("env") or {}).get(_WEIGHTS_KEY)
        if not isinstance(names, str) or names in newest.values():
            continue
        staged = newest.get(names.rpartition("/manifests/")[0])
        if staged is None:
            continue
        is_modal = row.type == MODAL
        yield Finding(
            Kind.STALE_WEIGHTS,
            "modal" if is_modal else "runpod",
            "app" if is_modal else "endpoint",
            row.id,
            state.title(row),
            f"loads {names}, staged since: {staged}",
            f"`pulumi up -s {state.stack}`",
        )


def _mounted(one: Live) -> list[str]:
    raw = one.facts.get("raw") or {}
    if one.kind not in ("endpoint", "pod"):
        return []
    found = [*(raw.get("networkVolumes") or []), raw.get("networkVolume"), raw.get("networkVolumeId")]
    return [str(item["id"] if isinstance(item, Mapping) else item) for item in found if item]


def _finding(kind: Kind, one: Live, text: str, fix: str, title: str = "") -> Finding:
    usd = usd_per_day(one)
    return Finding(kind, one.cloud, one.kind, one.id, title or one.name, text, fix, usd or None)
