"""`pilotlight down`: destroys the stack and stops the local cloud; nothing of it keeps running."""

import argparse
from pathlib import Path
from typing import Any


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser("down", help="destroy the stack and stop the local cloud")
    parser.add_argument("-s", "--stack", default="dev", help="a stack of the local cloud (default: dev)")


def run(args: argparse.Namespace) -> int:
    from infra.cli import cloud, engine
    from infra.kit.local import find_root

    root = find_root(None)
    code = 0
    if _exists(root, args.stack):
        code = engine.run(root, "destroy", "--yes", "--skip-preview", "--stack", args.stack)
    return cloud.down(root) or code


def _exists(root: Path, stack: str) -> bool:
    return any((root / ".pilotlight/state/.pulumi/stacks").glob(f"*/{stack}.json"))
