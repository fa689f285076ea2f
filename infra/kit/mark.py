"""The mark that an object carries in the cloud: whose it is, which URN it is for, and which inputs fix it.

See `docs/decisions/0010-provider-kit.md` for why a mark is deterministic and how a replacement gets another one.
"""

import base64
import functools
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.kit.model import Model, specs
from infra.kit.wire import Secret, has_unknown
from infra.spec.findings import UNKNOWN, Unknown

HIDDEN: Final = "__pilotlight"
"""The input that holds `<mark>+<nonce>`. Pulumi shows no key that begins with two underscores."""

INSTANCE: Final = "__instance"
"""The provider's own input that holds its instance id."""


@dataclass(frozen=True)
class Mark:
    """`pl-<instance>-<urn>-<inputs>`, 31 characters of [a-z2-7-]."""

    instance: str
    urn_hash: str
    inputs_hash: str

    def __str__(self) -> str:
        return f"pl-{self.instance}-{self.urn_hash}-{self.inputs_hash}"

    @staticmethod
    def parse(text: str) -> "Mark | None":
        parts = text.split("-")
        return Mark(*parts[1:]) if len(parts) == 4 and parts[0] == "pl" else None


@dataclass(frozen=True)
class Entry:
    """One entry of the engine's state: the mark of its object, and a nonce that no other entry has."""

    mark: Mark
    nonce: str

    def __str__(self) -> str:
        return f"{self.mark}+{self.nonce}"

    @staticmethod
    def of(inputs: Mapping[str, Any]) -> "Entry | None":
        """What Check left in the inputs of a state, None for an imported or a foreign one."""
        text = inputs.get(HIDDEN)
        if not isinstance(text, str):
            return None
        head, _, nonce = text.partition("+")
        mark = Mark.parse(head)
        return Entry(mark, nonce) if mark else None


def new_instance() -> str:
    return short(secrets.token_bytes(16), 8)


def short(data: bytes, length: int) -> str:
    return base64.b32encode(hashlib.sha256(data).digest()).decode().lower()[:length]


@functools.lru_cache(maxsize=4096)  # each request asks several times
def urn_hash(urn: str) -> str:
    return short(urn.encode(), 10)


def base_hash(model: type[Model], inputs: Mapping[str, Any]) -> str | Unknown:
    """Of the replace-marked inputs. Secrets stay out (a mark is public), generated names too (they follow it)."""
    picked: dict[str, Any] = {}
    for spec in specs(model):
        if not spec.meta.change.replaces or spec.meta.secret or spec.meta.auto_name:
            continue
        value = inputs.get(spec.wire)
        if has_unknown(value):
            return UNKNOWN
        picked[spec.wire] = _without_secrets(value)
    return short(json.dumps(picked, sort_keys=True, separators=(",", ":")).encode(), 12)


def generation(instance: str, urn: str, base: str, number: int) -> Mark:
    """The `number`th mark for these inputs: a replacement with the same inputs takes the next one."""
    return Mark(instance, urn_hash(urn), short(f"{base}/{number}".encode(), 8))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Secret):
        return None
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value
