"""What the plan is asked about: one endpoint, from its declaration or from the `intent` that travels with a resource."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from infra.spec.endpoint import EndpointSpec
from infra.spec.expectations import Budget, Slo, Traffic
from infra.spec.findings import UNKNOWN, Unknown
from infra.spec.model_facts import LlmSpec
from infra.spec.parsing import SpecError, parse
from infra.spec.questions import Questions
from infra.spec.scaling import Scaler, Workers

Bytes = int | Unknown | None
"""A size: `UNKNOWN` in a preview, None when nobody declared it."""

_FREE_MAPS = frozenset({"tags", "env"})


@dataclass(frozen=True)
class PlanRequest:
    """One endpoint, as the plan sees it. `unknown` are the fields that a preview cannot know yet (their defaults stand in)."""

    name: str
    cloud: str = "auto"
    """ "modal", "runpod" or "auto"."""
    kind: str = "queue"
    gpu: tuple[str, ...] | Literal["auto"] | None = None
    gpu_count: int = 1
    vcpu: float | None = None
    memory_gib: float | None = None
    workers: Workers | Literal["auto"] = field(default_factory=Workers)
    idle_timeout_s: int = 60
    concurrency: int = 1
    scaler: Scaler = field(default_factory=Scaler)
    fast_boot: bool = False
    regions: tuple[str, ...] = ()
    timeout_s: int = 300
    traffic: Traffic | None = None
    slo: Slo | None = None
    budget: Budget | None = None
    image_bytes: Bytes = None
    weights_bytes: Bytes = None
    llm: LlmSpec | None = None
    questions: Questions = field(default_factory=Questions)
    tags: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def placed(self) -> bool:
        """Whether nothing is left to choose: cloud, GPU and workers are named."""
        return self.cloud != "auto" and self.gpu != "auto" and self.workers != "auto"

    @classmethod
    def from_spec(
        cls,
        spec: EndpointSpec,
        *,
        name: str,
        image_bytes: Bytes = None,
        weights_bytes: Bytes = None,
        unknown: tuple[str, ...] = (),
    ) -> "PlanRequest":
        """Sizes given here go before those of the declaration."""
        declared = spec.sizes
        if image_bytes is None and declared is not None:
            image_bytes = declared.image_bytes
        if weights_bytes is None and declared is not None:
            weights_bytes = declared.weights_bytes
        return cls(
            name=name,
            cloud=spec.cloud.value,
            kind=spec.kind.value,
            gpu=tuple(spec.gpu) if isinstance(spec.gpu, list) else spec.gpu,
            gpu_count=spec.gpu_count,
            vcpu=None if spec.cpu is None else spec.cpu.vcpu,
            memory_gib=None if spec.cpu is None else spec.cpu.memory_gib,
            workers=spec.workers,
            idle_timeout_s=spec.idle_timeout_s,
            concurrency=spec.concurrency,
            scaler=spec.scaler,
            fast_boot=spec.fast_boot,
            regions=tuple(spec.regions),
            timeout_s=spec.timeout_s,
            traffic=spec.traffic,
            slo=spec.slo,
            budget=spec.budget,
            image_bytes=image_bytes,
            weights_bytes=weights_bytes,
            llm=spec.llm,
            questions=spec.questions or Questions(),
            tags=dict(spec.tags),
            unknown=unknown,
        )

    @classmethod
    def from_intent(cls, intent: Mapping[str, Any]) -> "PlanRequest":
        """From `{"endpoint": name, **wire(spec)}`, in snake_case or camelCase, with `UNKNOWN` anywhere.

        Raises `SpecError` for what no declaration could say. Fields that the plan has no use for are left out.
        """
        known, unknown = _without_unknown(intent)
        fields = {key: value for key, value in known.items() if key in EndpointSpec.model_fields}
        fields.pop("volumes", None)  # may refer to resources; the plan does not need them
        sizes = intent.get("sizes")
        lost = {
            f"{name}_bytes": UNKNOWN
            for name in ("image", "weights")
            if sizes is UNKNOWN or any(path == f"sizes.{name}_bytes" for path in unknown)
        }
        if "gpu" in unknown and "cpu" not in fields:
            fields["gpu"] = "auto"
        name = str(known.get("endpoint") or known.get("name") or "endpoint")
        spec = _parse_known(fields, unknown, f"intent of {name!r}")
        return cls.from_spec(spec, name=name, unknown=tuple(unknown), **lost)


def _parse_known(fields: dict[str, Any], unknown: list[str], subject: str) -> EndpointSpec:
    """What makes no sense only because a part of it is unknown is left out as a whole."""
    try:
        return parse(EndpointSpec, fields, subject=subject)
    except SpecError as error:
        blamed = {re.split(r"[.\[]", problem.path)[0] for problem in error.problems}
        partly = {name for name in blamed & fields.keys() if any(_within(path, name) for path in unknown)}
        if not partly:
            raise
        unknown.extend(sorted(partly - set(unknown)))
        return _parse_known({k: v for k, v in fields.items() if k not in partly}, unknown, subject)


def _within(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))


def _without_unknown(intent: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Plain snake_case data, and the paths that were `UNKNOWN`. A container with an unknown item stays as it is
    without it, unless that would change its meaning: then all of it is unknown."""
    unknown: list[str] = []

    def plain(value: Any, path: str) -> Any:
        if value is UNKNOWN:
            unknown.append(path)
            return UNKNOWN
        if isinstance(value, Mapping):
            rename = path not in _FREE_MAPS
            pairs = {_snake(key) if rename else str(key): item for key, item in value.items()}
            kept = {key: plain(item, f"{path}.{key}" if path else key) for key, item in pairs.items()}
            return {key: item for key, item in kept.items() if item is not UNKNOWN and item is not None}
        if isinstance(value, list | tuple):
            items = [plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
            if any(item is UNKNOWN for item in items):
                unknown.append(path)
                return UNKNOWN
            return items
        return value

    return plain(intent, ""), unknown


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", str(name)).lower()
