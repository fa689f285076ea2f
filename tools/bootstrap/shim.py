"""Writes `.venv/bin/pulumi`."""

import shlex
from pathlib import Path

from bootstrap import store

TEMPLATE = Path(__file__).with_name("shim.sh")


def write(path: Path, *, root: Path, real: Path, bundled: bool) -> None:
    """Put the shim for the checkout at `root` before the CLI `real`; `bundled` = the CLI was built here."""
    head, body = TEMPLATE.read_text().split("\nroot=", 1)
    values = {"@ROOT@": str(root.resolve()), "@PULUMI@": str(real), "@BUNDLED@": "1" if bundled else ""}
    for name, value in values.items():
        body = body.replace(name, shlex.quote(value))
    store.write_atomic(path, f"{head}\nroot={body}", 0o755)
