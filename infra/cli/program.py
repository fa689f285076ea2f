"""A stack's program, run without the engine: what it declares. Needs no backend, no credentials and no daemon."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format, struct_pb2

from infra.kit.wire import UNKNOWN_TEXT, Tree, decode, plain, secret_paths
from infra.kit.wire import Path as Place
from infra.spec.errors import PilotlightError
from infra.spec.nearest import nearest

_CHILD = Path(__file__).with_name("recording.py")
_LONGEST_S = 120.0
_CREDENTIALS = ("RUNPOD_", "MODAL_", "AWS_", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN")


class ProgramError(PilotlightError):
    """The program does not run. `source` is the line of its own that failed, where one did."""

    def __init__(
        self, what: str, wanted: str = "", fix: str = "", source: tuple[str, int] | None = None
    ) -> None:
        super().__init__(what, wanted=wanted, fix=fix)
        self.source = source


@dataclass(frozen=True)
class Declaration:
    """One resource as the program registers it: its inputs by wire names, what a preview cannot know as `UNKNOWN`.

    `source` is (file relative to the project, line) in the program's own directory.
    """

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Tree
    source: tuple[str, int] | None
    secrets: frozenset[Place] = frozenset()
    """Places of secret values in the inputs."""


@dataclass(frozen=True)
class Program:
    """What one stack's program declares, in the order of registration, and the warnings that it logged."""

    project: str
    stack: str
    declarations: tuple[Declaration, ...]
    warnings: tuple[str, ...]


def run(root: Path, stack: str) -> Program:
    """Run the program of the project at `root`. Raises `ProgramError`.

    Secrets of the settings are not decrypted: they are unknown, as is every output of a resource. The program runs in a
    process of its own, without the cloud credentials of this one, and with this checkout's interpreter even where `root` is
    a work tree of another commit.
    """
    project = read_yaml(root / "Pulumi.yaml")
    directory = root / str(project.get("main") or ".")
    settings = settings_file(root, project, stack)
    config, secret_keys = _config(str(project.get("name")), project, read_yaml(settings))
    recorded = _record(
        {
            "program": str(directory.resolve()),
            "project": str(project.get("name")),
            "stack": stack,
            "config": config,
            "secret_keys": secret_keys,
        },
        root,
    )
    if recorded["error"]:
        raise _explained(recorded)
    return Program(
        project=str(project.get("name")),
        stack=stack,
        declarations=tuple(map(_declaration, recorded["resources"])),
        warnings=tuple(text for severity, text in recorded["said"] if severity == 2),
    )


def project(root: Path) -> dict[str, Any]:
    """The project's file. Raises `ProgramError` for one that cannot be read."""
    return read_yaml(root / "Pulumi.yaml")


def settings_file(root: Path, project: Mapping[str, Any], stack: str) -> Path:
    """The stack's settings. Raises `ProgramError`, naming the stacks there are."""
    directory = root / str(project.get("stackConfigDir") or ".")
    path = directory / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        known = stacks(root, project)
        close = nearest(stack, known)
        raise ProgramError(
            f"there is no stack {stack!r}: {path.relative_to(root)} is missing",
            wanted=f"one of: {', '.join(known) or 'none is here yet'}",
            fix=f"did you mean {close[0]}?" if close else "write the stack's settings file",
        )
    return path


def stacks(root: Path, project: Mapping[str, Any] | None = None) -> list[str]:
    """Every stack that has a settings file, by name."""
    project = read_yaml(root / "Pulumi.yaml") if project is None else project
    directory = root / str(project.get("stackConfigDir") or ".")
    return sorted(
        path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in directory.glob("Pulumi.?*.yaml")
    )


def _record(orders: dict[str, Any], root: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="pilotlight-") as scratch:
        to = Path(scratch) / "recorded.json"
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(_CHILD)],
                input=json.dumps({**orders, "to": str(to)}),
                text=True,
                cwd=root,
                env=_environment(),
                capture_output=True,
                timeout=_LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ProgramError(
                f"the program did not end within {_LONGEST_S:g} s", fix="look for what it waits for"
            ) from None
        if not to.exists():
            last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
            raise ProgramError(f"the program broke off: {last}", fix="run `pulumi preview` to see all of it")
        recorded: dict[str, Any] = json.loads(to.read_text(encoding="utf-8"))
        return recorded


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_CREDENTIALS)}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


def _explained(recorded: Mapping[str, Any]) -> ProgramError:
    error = recorded["error"]
    source = tuple(error["source"]) if error["source"] else None
    if error["explained"]:
        return ProgramError(error["message"])
    said = [text for severity, text in recorded["said"] if severity == 3]
    where = f" ({source[0]}, line {source[1]})" if source else ""
    return ProgramError(f"the program fails: {error['message'] or (said or [''])[-1]}{where}", source=source)


def _declaration(raw: Mapping[str, Any]) -> Declaration:
    tree = decode(json_format.ParseDict(raw["inputs"], struct_pb2.Struct()))
    source = tuple(raw["source"]) if raw["source"] else None
    return Declaration(
        raw["urn"],
        raw["type"],
        raw["name"],
        raw["parent"],
        bool(raw["custom"]),
        plain(tree),
        source,
        frozenset(secret_paths(tree)),
    )


def _config(
    project: str, settings: Mapping[str, Any], stack: Mapping[str, Any]
) -> tuple[dict[str, str], list[str]]:
    """Settings as the engine hands them to a program: texts by `namespace:name`, and which of them are secret."""
    config: dict[str, str] = {}
    secret: list[str] = []
    for key, value in (settings.get("config") or {}).items():
        if isinstance(value, Mapping):  # a schema with an optional default
            value = value.get("value", value.get("default"))
        if value is not None:
            config[_full(project, key)] = _text(value)
    for key, value in (stack.get("config") or {}).items():
        name = _full(project, key)
        if _has_secure(value):
            secret.append(name)
        config[name] = _text(_without_secure(value))
    return config, secret


def _full(project: str, key: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, dict | list | bool) else str(value)


def _has_secure(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(_has_secure, value.values()))
    return isinstance(value, list) and any(map(_has_secure, value))


def _without_secure(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return UNKNOWN_TEXT
        return {key: _without_secure(item) for key, item in value.items()}
    return [_without_secure(item) for item in value] if isinstance(value, list) else value


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProgramError(f"{path.name} cannot be read: {error}", fix="correct the file") from None
    if data is not None and not isinstance(data, dict):
        raise ProgramError(
            f"{path.name} is {type(data).__name__}", wanted="a mapping", fix="correct the file"
        )
    return data or {}
