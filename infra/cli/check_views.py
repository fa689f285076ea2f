"""Resources to judge: from a program run without the engine, a preview (`pulumi preview --json`) or a state (`stack export`)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.kit.check import validate
from infra.kit.provider import Provider
from infra.kit.wire import SIGNATURE, UNKNOWN_TEXT, schema_secret_paths, to_wire
from infra.spec.errors import PilotlightError
from infra.spec.findings import UNKNOWN, Finding, ResourceView

_OURS = "pilotlight-"
_HIDDEN = "[secret]"
_UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        UNKNOWN_TEXT,
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""The engine's words for what a preview cannot know."""

Place = tuple[str | int, ...]


class CheckError(PilotlightError):
    """There is nothing that could be judged."""


@dataclass(frozen=True)
class Given:
    """One resource. `invalid`: what its provider would refuse before any rule."""

    view: ResourceView
    source: tuple[str, int] | None = None
    invalid: tuple[Finding, ...] = ()


def of_program(root: Path, stack: str) -> tuple[str, list[Given]]:
    """(project, resources) of the stack's program. Raises `ProgramError`."""
    from infra.cli import program

    ran = program.run(root, stack)
    given = []
    for one in ran.declarations:
        if not one.custom or not one.type.startswith(_OURS):
            continue
        inputs, invalid, secrets = completed(one.type, one.inputs, one.secrets)
        view = ResourceView(one.type, one.urn, one.name, stack, ran.project, inputs, secrets)
        given.append(Given(view, one.source, invalid))
    return ran.project, given


def of_file(path: Path, stack: str | None) -> tuple[str, str, list[Given]]:
    """(project, stack, resources) of a preview or a state. Raises `CheckError`; `stack`: what it must be of, if given."""
    data = _json(path)
    found: dict[str, Given] = {}
    for raw in _resources(data, path):
        if not isinstance(raw, Mapping) or not isinstance(raw.get("urn"), str):
            raise CheckError(
                f"{path}: a resource has no URN", wanted="a preview or a state as Pulumi writes it"
            )
        given = _given(raw)
        if given.view.type.startswith(_OURS):
            found[given.view.urn] = given
    stacks = sorted({given.view.stack for given in found.values()})
    if stack is not None and stacks and stacks != [stack]:
        raise CheckError(
            f"{path} is of stack {', '.join(stacks)}, and not of {stack}",
            fix="give that stack with -s, or leave -s out",
        )
    projects = [given.view.project for given in found.values()]
    return next(iter(projects), ""), stack or next(iter(stacks), ""), list(found.values())


def completed(
    type: str, inputs: Mapping[str, Any], secrets: frozenset[Place]
) -> tuple[Mapping[str, Any], tuple[Finding, ...], frozenset[Place]]:
    """Inputs with the provider's defaults, what it would refuse, and the secret places with those of its schema."""
    provider = _provider(type)
    resource = None if provider is None else provider.resource(type)
    if resource is None:
        return inputs, (), secrets
    tree = dict(inputs)
    hidden = secrets | frozenset(schema_secret_paths(resource.Inputs, tree))
    model, failures = validate(resource.Inputs, tree, list(hidden))
    invalid = tuple(Finding("invalid-input", failure.path, failure.reason) for failure in failures)
    return (inputs if model is None else to_wire(model)), invalid, hidden


def _provider(type: str) -> Provider[Any] | None:
    import importlib

    name = type.partition(":")[0].removeprefix(_OURS)
    if name not in ("modal", "runpod", "artifacts"):
        return None
    found: Provider[Any] = importlib.import_module(f"infra.{name}.__main__").provider
    return found


def _resources(data: Any, path: Path) -> Iterator[Any]:
    """Newest states of a preview's steps, or the live resources of a state."""
    if not isinstance(data, Mapping):
        raise _neither(path)
    if isinstance(data.get("steps"), list):
        for step in data["steps"]:
            if isinstance(step, Mapping) and step.get("newState") is not None and step.get("op") != "delete":
                yield step["newState"]
        return
    checkpoint = data.get("checkpoint")
    latest = checkpoint.get("latest") if isinstance(checkpoint, Mapping) else None
    deployment = data.get("deployment") or latest
    if not isinstance(deployment, Mapping) or not isinstance(deployment.get("resources") or [], list):
        raise _neither(path)
    for raw in deployment.get("resources") or []:
        if not (isinstance(raw, Mapping) and raw.get("delete")):
            yield raw


def _neither(path: Path) -> CheckError:
    return CheckError(
        f"{path} is neither a preview nor a state",
        wanted="the output of `pulumi preview --json` or `pulumi stack export`",
    )


def _given(raw: Mapping[str, Any]) -> Given:
    urn = raw["urn"]
    parts = [*urn.removeprefix("urn:pulumi:").split("::", 3), "", "", "", ""]
    type, name = parts[2].rsplit("$", 1)[-1], parts[3]
    secrets: set[Place] = set()
    raw_inputs = raw.get("inputs")
    inputs = _plain(raw_inputs if isinstance(raw_inputs, Mapping) else {}, (), secrets)
    inputs = {key: value for key, value in inputs.items() if not key.startswith("__") and value is not None}
    return Given(ResourceView(type, urn, name, parts[0], parts[1], inputs, frozenset(secrets)))


def _plain(value: Any, at: Place, secrets: set[Place]) -> Any:
    """What is encrypted or masked is secret, and not known here."""
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            secrets.add(at)
            return UNKNOWN
        return {str(key): _plain(item, (*at, str(key)), secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, (*at, index), secrets) for index, item in enumerate(value)]
    if value == _HIDDEN:
        secrets.add(at)
        return UNKNOWN
    return UNKNOWN if isinstance(value, str) and value in _UNKNOWNS else value


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CheckError(
            f"{path} cannot be read: {error.strerror}", fix="name the file of a preview or a state"
        ) from None
    except (ValueError, RecursionError):
        raise _neither(path) from None
