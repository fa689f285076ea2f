"""What a stack has deployed under an endpoint's name, from the state that the engine keeps: no program runs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli import engine
from infra.spec.errors import PilotlightError

RUNPOD, MODAL = "pilotlight-runpod:index:Endpoint", "pilotlight-modal:index:App"
IMAGE = "pilotlight-artifacts:index:Image"
_COMPONENTS = ("pilotlight:index:ModelEndpoint", "pilotlight:index:ModelPipeline")
_MARKER = "4dabf18193072939515e22adb298388d"
"""The key by which the engine's state tells a secret from another object."""


class NotDeployed(PilotlightError):
    """The stack has no such endpoint, or not one that can be edited and run."""


@dataclass(frozen=True)
class Row:
    """One resource of a state. `provider` is the URN of the provider that it belongs to."""

    urn: str
    type: str
    id: str
    parent: str
    provider: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True)
class Deployed:
    """An endpoint as the stack deployed it. `image` is there where its cloud takes a built one."""

    name: str
    stack: str
    endpoint: Row
    provider: Row
    image: Row | None = None
    image_provider: Row | None = None

    @property
    def on_modal(self) -> bool:
        return self.endpoint.type == MODAL

    @property
    def is_local(self) -> bool:
        return self.provider.inputs.get("target") == "local"

    @property
    def version(self) -> str:
        """What decides which code runs: an image's reference, or a module's name."""
        return str(self.endpoint.inputs.get("module" if self.on_modal else "image"))

    @property
    def url(self) -> str:
        return str(self.endpoint.outputs["url"])


def read(root: Path, stack: str, name: str) -> Deployed:
    """Raises NotDeployed, or EngineError where there is no such stack."""
    found = find(engine.export(root, stack), stack, name)
    if _has_secret(found):
        # The engine decrypts with the stack's own key; the values stay in this process.
        found = find(engine.export(root, stack, "--show-secrets"), stack, name)
    return found


def find(exported: Mapping[str, Any], stack: str, name: str) -> Deployed:
    """The endpoint `name` in an exported state. Raises NotDeployed."""
    rows = rows_of(exported)
    by_urn = {row.urn: row for row in rows}
    endpoint = _endpoint(rows, by_urn, stack, name)
    if not endpoint.outputs.get("url"):
        raise NotDeployed(
            f"{name!r} has no address of its own to send a request to",
            wanted="an endpoint with one web address",
            fix="`pilotlight dev` edits handlers behind a ModelEndpoint",
        )
    provider = by_urn[endpoint.provider]
    if endpoint.type == MODAL:
        if not endpoint.inputs.get("source"):
            raise NotDeployed(f"{name!r} was imported, and no directory of code is declared for it")
        return Deployed(name, stack, endpoint, provider)
    reference = endpoint.inputs.get("image")
    image = next((row for row in rows if row.type == IMAGE and row.outputs.get("ref") == reference), None)
    if image is None:
        raise NotDeployed(
            f"{name!r} runs the image {reference}, which no Image of stack {stack!r} built",
            wanted="an image that is built from a handler's directory here",
            fix=f"declare it with ModelImage and run `pulumi up -s {stack}`",
        )
    return Deployed(name, stack, endpoint, provider, image, by_urn[image.provider])


def _endpoint(rows: list[Row], by_urn: Mapping[str, Row], stack: str, name: str) -> Row:
    from infra.spec.nearest import nearest

    served = [row for row in rows if row.type in (RUNPOD, MODAL)]
    by_name = {row.name: row for row in served}
    for row in served:
        parent = by_urn.get(row.parent)
        if parent is not None and parent.type in _COMPONENTS:
            by_name[parent.name] = row
    if name in by_name:
        return by_name[name]
    known = ", ".join(nearest(name, by_name) or sorted(by_name))
    raise NotDeployed(
        f"stack {stack!r} has no endpoint {name!r} deployed",
        wanted=f"one of its endpoints: {known or 'none'}",
        fix="check the name" if known else f"run `pulumi up -s {stack}` first",
    )


def rows_of(exported: Mapping[str, Any]) -> list[Row]:
    """What is deployed now: not what waits to be deleted after a replacement."""
    resources = (exported.get("deployment") or {}).get("resources") or []
    return [
        Row(
            urn=entry["urn"],
            type=entry["type"],
            id=entry.get("id", ""),
            parent=entry.get("parent", ""),
            provider=entry.get("provider", "").rpartition("::")[0],
            inputs=_plain(entry.get("inputs") or {}),
            outputs=_plain(entry.get("outputs") or {}),
        )
        for entry in resources
        if not entry.get("delete")
    ]


def _plain(value: Any) -> Any:
    """Without the wrappers of secrets that were decrypted; the encrypted ones stay as they are."""
    if isinstance(value, dict):
        if _MARKER in value and "plaintext" in value:
            return json.loads(value["plaintext"])
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _has_secret(found: Deployed) -> bool:
    """Whether something that is needed is encrypted. An image's endpoint needs none of its environment."""
    rows = (found.provider, found.image_provider, found.image, found.endpoint if found.on_modal else None)
    return any(encrypted(row.inputs) for row in rows if row is not None)


def encrypted(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _MARKER in value or any(encrypted(item) for item in value.values())
    return isinstance(value, Iterable) and not isinstance(value, str) and any(map(encrypted, value))
