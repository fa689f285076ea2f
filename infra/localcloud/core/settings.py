"""What a user may set about the local cloud: `.pilotlight/cloud/settings.json`, every field optional."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, PrivateAttr, ValidationError

from infra.localcloud.core.faults import Fault
from infra.spec.errors import PilotlightError


class SettingsError(PilotlightError):
    """A setting that does not exist or a value that it cannot have."""


class RateLimits(BaseModel):
    """Requests per window that RunPod's REST v2 grants one key (its API description, 2026-08)."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    minute: PositiveInt = 60
    hour: PositiveInt = 3000
    day: PositiveInt = 50000


StockLevel = Literal["NONE", "LOW", "MEDIUM", "HIGH"]


class Retired(BaseModel):
    """Which of RunPod's older APIs answer 410 Gone: REST v1 since 2026-11-15, GraphQL from early 2027."""

    model_config = ConfigDict(extra="forbid")

    graphql: bool = False
    v1: bool = True


class Settings(BaseModel):
    """Shared and live: whoever holds it sees a change at once; `on_change` tells those who must act on it."""

    model_config = ConfigDict(extra="forbid")

    cold_start: Literal["instant", "real"] = "instant"
    rollout: Literal["real", "instant"] = "real"
    rate_limit: bool = True
    rate_limits: RateLimits = Field(default_factory=RateLimits)
    concurrency_limits: dict[str, PositiveInt] = Field(default_factory=dict)
    faults: dict[str, Fault] = Field(default_factory=dict)
    stock: dict[str, dict[str, StockLevel]] = Field(default_factory=dict)
    retired: Retired = Field(default_factory=Retired)
    flashboot_hit_rate: float = Field(
        default=1.0, ge=0, le=1, description="share of FlashBoot starts that find the worker's state kept"
    )
    account_workers: PositiveInt | None = Field(
        default=None, description="serverless workers that the account may have at once; unset: any number"
    )

    _path: Path | None = PrivateAttr(default=None)
    _listeners: list[Callable[[], None]] = PrivateAttr(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """From the file, or the defaults where there is none. Changes are written back to it."""
        try:
            values = json.loads(path.read_text()) if path.exists() else {}
        except ValueError as error:
            raise SettingsError(f"{path} is not JSON: {error}.", fix="Correct it, or delete it.") from error
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise _explain(error, f"{path} has settings that do not fit") from error
        settings._path = path
        return settings

    def stock_of(self, data_center: str, *names: str | None) -> StockLevel:
        """Of a GPU type, its pool or a CPU flavor (`names`, most specific first) in a data center; HIGH where unset.

        `stock` is {data center or "*": {name or "*": level}}; the data center's own entries go before those of "*".
        """
        for place in (self.stock.get(data_center), self.stock.get("*")):
            for name in (*names, "*"):
                if place and name in place:
                    return place[name]
        return "HIGH"

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def set(self, assignment: str) -> None:
        """Take `key=value`, the key with dots into nested settings, the value as JSON or else as plain text."""
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise SettingsError(f"{assignment!r} sets nothing.", wanted="key=value, such as rollout=instant")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        for part in reversed(key.strip().split(".")):
            value = {part: value}
        self.update(value)

    def update(self, values: dict[str, Any]) -> None:
        """Merge into the settings, all or nothing, and keep them."""
        merged = _merge(self.model_dump(mode="json"), values)
        try:
            checked = type(self).model_validate(merged)
        except ValidationError as error:
            raise _explain(error, "These settings do not fit") from error
        for name in type(self).model_fields:
            setattr(self, name, getattr(checked, name))
        self._save()
        for listener in self._listeners:
            listener()

    def _save(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._path.with_suffix(".tmp")
        scratch.write_text(json.dumps(self.model_dump(mode="json", exclude_defaults=True), indent=2) + "\n")
        os.replace(scratch, self._path)


def _merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Nested objects are merged, everything else replaced; null takes a key away."""
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(old.get(key), dict):
            merged[key] = _merge(old[key], value)
        else:
            merged[key] = value
    return merged


def _explain(error: ValidationError, what: str) -> SettingsError:
    problems = "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'settings'}: {item['msg']}"
        for item in error.errors()
    )
    known = ", ".join(Settings.model_fields)
    return SettingsError(f"{what}: {problems}.", wanted=f"one of the settings {known}, with a value it takes")
