"""Placements that were decided and reviewed: the text of `stacks/placement.<stack>.yaml`. Pure: reading is the caller's."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydantic

from infra.planning.plan import EndpointPlan
from infra.spec.base import Cloud, Spec
from infra.spec.endpoint import EndpointSpec
from infra.spec.errors import PilotlightError
from infra.spec.parsing import SpecError, parse
from infra.spec.scaling import Scaler, Workers

VERSION = 1
_HEAD = """\
# Where the endpoints of stack {stack} are placed. Written by `pilotlight plan -s {stack} --write`; reviewed and kept like code.
# A program with cloud="auto", gpu="auto" or workers="auto" takes its answer from here.
"""


class PlacementError(PilotlightError):
    """The placement file cannot be used."""


class Recorded(Spec):
    """One decision. It fills only what a declaration leaves open."""

    cloud: Cloud
    gpu: list[str] | None = None
    gpu_count: int = pydantic.Field(default=1, ge=1)
    workers: Workers
    idle_timeout_s: int = pydantic.Field(ge=1, le=3600)
    scaler: Scaler | None = None
    """None on Modal, which has its own."""
    fast_boot: bool = False
    decided: str
    """ISO date."""
    price_book: str
    usd_per_month: Decimal | None = None
    """What was expected then; None where nothing was known of the traffic."""
    reasons: list[str] = []

    @classmethod
    def of(cls, plan: EndpointPlan, reasons: tuple[str, ...], decided: str) -> "Recorded":
        return cls(
            cloud=Cloud(plan.cloud),
            gpu=None if plan.gpu is None else [plan.gpu],
            gpu_count=plan.gpu_count,
            workers=plan.workers,
            idle_timeout_s=plan.idle_timeout_s,
            scaler=plan.scaler,
            fast_boot=plan.fast_boot,
            decided=decided,
            price_book=plan.price_book,
            usd_per_month=plan.cost.expected,
            reasons=list(reasons),
        )

    def fill(self, spec: EndpointSpec) -> EndpointSpec:
        """The declaration with what it leaves open taken from here."""
        given = spec.model_fields_set
        found: dict[str, Any] = {}
        if spec.cloud is Cloud.AUTO:
            found["cloud"] = self.cloud
        if spec.gpu == "auto":
            found |= {"gpu": self.gpu, "gpu_count": self.gpu_count}
        if spec.workers == "auto":
            found["workers"] = self.workers
        for name in ("idle_timeout_s", "fast_boot"):
            if name not in given:
                found[name] = getattr(self, name)
        if "scaler" not in given and self.scaler is not None:
            found["scaler"] = self.scaler
        return spec.model_copy(update={**found, "placed": sorted(found)})


@dataclass(frozen=True)
class Placements:
    """All decisions of a stack, by endpoint."""

    endpoints: Mapping[str, Recorded]


def leaves_open(spec: EndpointSpec) -> bool:
    """Whether a declaration asks for a placement."""
    return spec.cloud is Cloud.AUTO or spec.gpu == "auto" or spec.workers == "auto"


def file_of(root: Path, stack: str) -> Path:
    """Where a project keeps the placements of a stack."""
    return root / "stacks" / f"placement.{stack}.yaml"


def read(text: str, where: str) -> Placements:
    """Parse the file's text; `where` is its name in messages. Raises `PlacementError`."""
    import yaml

    fix = "correct it, or write it again with `pilotlight plan --write`"
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise PlacementError(f"{where} is not YAML: {error}", fix=fix) from None
    if not isinstance(data, dict) or data.get("version") != VERSION:
        found = data.get("version") if isinstance(data, dict) else type(data).__name__
        raise PlacementError(f"{where} has version {found!r}", wanted=f"version: {VERSION}", fix=fix)
    endpoints = data.get("endpoints") or {}
    if not isinstance(endpoints, dict) or not all(isinstance(one, dict) for one in endpoints.values()):
        raise PlacementError(f"{where}: endpoints is no mapping of names to placements", fix=fix)
    try:
        return Placements(
            {
                str(name): parse(Recorded, values, subject=f"{where}: {name}")
                for name, values in endpoints.items()
            }
        )
    except SpecError as error:
        raise PlacementError(error.what, fix=fix) from None


def write(placements: Placements, stack: str) -> str:
    """The file's text: endpoints by name, so that a diff shows what moved."""
    import yaml

    endpoints = {name: _plain(placement) for name, placement in sorted(placements.endpoints.items())}
    body = yaml.safe_dump(
        {"version": VERSION, "endpoints": endpoints}, sort_keys=False, width=120, allow_unicode=True
    )
    return _HEAD.format(stack=stack) + body


def _plain(placement: Recorded) -> dict[str, Any]:
    data: dict[str, Any] = placement.model_dump(mode="json", exclude_none=True)
    return data
