"""`pilotlight up`: the whole way on this machine, from nothing to an answer of the endpoint."""

import argparse
import json
import sys
from typing import Any

DEMO = {"question": "how do I get my money back?", "sentences": ["refunds take five days", "the cat sleeps"]}


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser("up", help="deploy the demo stack on this machine and call its endpoints")
    parser.add_argument("-s", "--stack", default="dev", help="a stack of the local cloud (default: dev)")


def run(args: argparse.Namespace) -> int:
    from infra.cli import call, cloud, engine, state
    from infra.kit.local import find_root

    root = find_root(None)
    code = cloud.up(root)
    if code:
        return code
    _say(f"pulumi up -s {args.stack}")
    code = engine.run(root, "up", "--yes", "--skip-preview", "--stack", args.stack)
    if code:
        return code
    state.clear_pending(root, args.stack)
    text = json.dumps(DEMO)
    for name in engine.outputs(root, args.stack).get("endpoints") or {}:
        _say(f"pilotlight call {name} --input '{text}'")
        code = call.run(argparse.Namespace(name=name, input=text, stack=args.stack, timeout=600.0)) or code
    return code


def _say(text: str) -> None:
    print(f"\n$ {text}", file=sys.stderr, flush=True)
