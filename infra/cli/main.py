"""The `pilotlight` command. A subcommand's module is imported only when it is the one that was asked for."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from infra.spec.errors import PilotlightError

COMMANDS = {
    "up": "deploy the demo stack on this machine and call its endpoints",
    "down": "destroy the stack and stop the local cloud",
    "call": "send a request to an endpoint of a stack",
    "dev": "edit and run: each save of a handler is called at once",
    "plan": "predict what a stack costs and how it answers, and what would be cheaper",
    "catalog": "the dated facts behind plans and rules: show, and check against the clouds",
    "comment": "post previews on a pull request; compare a merge with what was reviewed",
    "preview": "what a change does, costs and breaks, as one report per stack",
    "check": "judge a stack by its rules, offline: text, JSON, SARIF, JUnit",
    "audit": "live against declared: orphans, idle spenders, versions behind",
    "spend": "what was billed, against what was planned",
    "traffic": "a traffic profile from an endpoint's own record, for the plan",
    "review": "a short-lived stack for a pull request: up, down, reap, list",
    "cloud": "the local cloud: up, down, status, logs, env, reset",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 = done, 1 = an error that was explained, 2 = wrong usage, 130 = interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="pilotlight", description="Model endpoints on Modal, RunPod and this machine, as code."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    module = _add_commands(subparsers, arguments)
    parsed = parser.parse_args(arguments)
    try:
        code: int = module.run(parsed)
    except PilotlightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return code


def _add_commands(subparsers: Any, arguments: Sequence[str]) -> Any:
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    module = None
    for name, text in COMMANDS.items():
        if name == chosen:
            module = importlib.import_module(f"infra.cli.{name}")
            module.add_commands(subparsers)
        else:
            subparsers.add_parser(name, help=text, add_help=False)
    return module


if __name__ == "__main__":
    sys.exit(main())
