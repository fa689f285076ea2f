"""Where set-up has put the programs that this checkout uses."""

import json
from dataclasses import dataclass
from pathlib import Path

from infra.spec.errors import PilotlightError

ROOT = Path(__file__).resolve().parents[2]


class ToolchainError(PilotlightError):
    """Set-up has not run here, or what it made is gone."""


@dataclass(frozen=True)
class Toolchain:
    """Paths as `make setup` recorded them.

    `pulumi` is the real CLI, which needs a backend and a passphrase; `shim` is the one that finds both by itself for
    this checkout. `pulumi_origin` says where the CLI is from: "path", "official" or "built". `wheelhouse` holds the
    wheels of images/requirements*.txt and of the demo, for installs without a network. `schemacheck` is None where the
    CLI was not built here and `python3 tools/setup.py schemacheck` has not run.
    """

    pulumi: Path
    pulumi_origin: str
    shim: Path
    versitygw: Path
    wheelhouse: Path
    uv: Path
    schemacheck: Path | None


def toolchain(root: Path = ROOT) -> Toolchain:
    """The recorded toolchain of a checkout. Raises ToolchainError naming `make setup` where it is missing."""
    record = root / ".pilotlight/toolchain.json"
    try:
        paths = json.loads(record.read_text())
        found = Toolchain(
            pulumi=Path(paths["pulumi"]),
            pulumi_origin=paths["pulumi_origin"],
            shim=root / ".venv/bin/pulumi",
            versitygw=Path(paths["versitygw"]),
            wheelhouse=Path(paths["wheelhouse"]),
            uv=Path(paths["uv"]),
            schemacheck=Path(paths["schemacheck"]) if paths["schemacheck"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolchainError(
            f"this checkout is not set up: {record} cannot be read ({error})",
            fix=f"run `make -C {root} setup`",
        ) from error
    for path in (found.pulumi, found.shim, found.versitygw, found.wheelhouse, found.uv):
        if not path.exists():
            raise ToolchainError(f"{path} is gone", fix=f"run `make -C {root} setup`")
    return found


def schemacheck(root: Path = ROOT) -> Path | str:
    """The checker of package schemas, or the reason why there is none (for a test that would then be skipped)."""
    try:
        path = toolchain(root).schemacheck
    except ToolchainError as error:
        return str(error)
    if path is None or not path.exists():
        return "the schema checker is not built; `python3 tools/setup.py schemacheck` builds it"
    return path
