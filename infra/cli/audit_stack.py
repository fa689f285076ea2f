"""What the engine holds of the project's stacks, and the clouds behind one of them: for commands that only look."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.cli import engine
from infra.cli.dev_state import MODAL, RUNPOD, Row, encrypted, rows_of
from infra.kit.mark import INSTANCE
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.modal.client import ModalClient
    from infra.runpod.account import Account

POD = "pilotlight-runpod:index:Pod"
VOLUME = "pilotlight-runpod:index:NetworkVolume"
WEIGHTS = "pilotlight-artifacts:index:Weights"
SERVED = (RUNPOD, MODAL)
_PROVIDER = "pulumi:providers:"


@dataclass(frozen=True)
class Held:
    """One stack's state. `ids` are of all its entries, those that wait to be deleted included; `instances` are its
    providers' own ids, which begin every mark that they write; `made` is when the engine created an entry, by URN."""

    stack: str
    rows: tuple[Row, ...]
    ids: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    made: Mapping[str, datetime] = field(default_factory=dict)

    def of(self, *types: str) -> list[Row]:
        return [row for row in self.rows if row.type in types]

    def title(self, row: Row) -> str:
        """What the program calls it: the component's name, where it is a component's."""
        parent = next((other for other in self.rows if other.urn == row.parent), None)
        is_component = parent is not None and parent.type.startswith("pilotlight:index:Model")
        return parent.name if is_component and parent is not None else row.name


@dataclass
class Clouds:
    """A client for each provider of the stack; `left_out` says which cloud cannot be asked, and why."""

    runpod: "list[Account]" = field(default_factory=list)
    modal: "list[ModalClient]" = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    async def close(self) -> None:
        for client in self.modal:
            await client.close()


def held(root: Path, stack: str, *, secrets: bool = True) -> Held:
    """The state of a stack; with `secrets`, its providers' are decrypted, as a client needs them. Raises EngineError."""
    found = parse(stack, engine.export(root, stack))
    if secrets and any(row.type.startswith(_PROVIDER) and encrypted(row.inputs) for row in found.rows):
        found = parse(stack, engine.export(root, stack, "--show-secrets"))
    return found


def parse(stack: str, exported: Mapping[str, Any]) -> Held:
    entries = (exported.get("deployment") or {}).get("resources") or []
    instances = {
        str(given[INSTANCE])
        for entry in entries
        if isinstance(given := entry.get("inputs"), Mapping) and INSTANCE in given
    }
    made = {
        entry["urn"]: datetime.fromisoformat(entry["created"])
        for entry in entries
        if entry.get("created") and not entry.get("delete")
    }
    ids = frozenset(str(entry["id"]) for entry in entries if entry.get("id"))
    return Held(stack, tuple(rows_of(exported)), ids, frozenset(instances), made)


def stacks(root: Path) -> list[str]:
    """Every stack of this project in the backend. Raises EngineError."""
    done = subprocess.run(
        [engine.executable(root), "stack", "ls", "--json", "--non-interactive"],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise engine.EngineError(
            f"the stacks cannot be listed: {done.stderr.strip()}",
            fix="run `pulumi whoami` and see the backend",
        )
    return [str(entry["name"]) for entry in json.loads(done.stdout or "[]")]


async def connect(root: Path, state: Held) -> Clouds:
    """A client for each provider that the state holds. A provider whose credentials are missing is left out."""
    from infra.cli.dev_target import connected
    from infra.modal import config as modal
    from infra.runpod import config as runpod

    clouds = Clouds()
    seen: set[str] = set()
    for row in state.rows:
        cloud = row.type.removeprefix(f"{_PROVIDER}pilotlight-")
        if cloud not in ("runpod", "modal"):
            continue
        given = {key: value for key, value in row.inputs.items() if key not in (INSTANCE, "version")}
        key = json.dumps([cloud, given], sort_keys=True, default=str)
        if key in seen:
            continue
        seen.add(key)
        try:
            if cloud == "runpod":
                clouds.runpod.append(await connected(runpod, row, root, _silent))
            else:
                clouds.modal.append(await connected(modal, row, root, _silent))
        except PilotlightError as error:
            clouds.left_out[cloud] = error.what
    if not clouds.runpod and not clouds.modal:
        reasons = "; ".join(f"{cloud}: {why}" for cloud, why in clouds.left_out.items())
        raise PilotlightError(
            f"no cloud of stack {state.stack!r} can be asked: {reasons or 'its state has no provider'}",
            wanted="a stack that was deployed, and credentials for its clouds",
            fix="set the credentials" if reasons else f"run `pulumi up -s {state.stack}` first",
        )
    return clouds


def _silent(text: str) -> None: ...
