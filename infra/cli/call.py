"""`pilotlight call NAME --input JSON`: one request to an endpoint of a stack, with the wait made visible."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from infra.spec.errors import PilotlightError


class CallError(PilotlightError):
    """The request could not be made, or the handler failed."""


class HandlerError(CallError):
    """The handler got the request and failed."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser("call", help="send a request to an endpoint of a stack")
    parser.add_argument("name", help="the endpoint's name, as the program declares it")
    parser.add_argument(
        "--input", required=True, help="the request: a JSON object, @FILE, or - for standard input"
    )
    parser.add_argument("-s", "--stack", default="dev", help="the stack (default: dev)")
    parser.add_argument(
        "--timeout", type=float, default=600.0, help="seconds to wait for the answer (default: 600)"
    )


def run(args: argparse.Namespace) -> int:
    from infra.cli import engine
    from infra.kit.local import find_root

    request = read_request(args.input)
    root = find_root(None)
    endpoint = _endpoint(engine.outputs(root, args.stack), args.name, args.stack)
    answer = _ask(
        endpoint, request, root=root, stack=args.stack, timeout_s=args.timeout, progress=_Progress()
    )
    print(json.dumps(answer, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))
    return 0


def _ask(endpoint: dict[str, Any], request: dict[str, Any], *, root: Path, stack: str, **how: Any) -> Any:
    from infra.cli import jobs, web

    url = endpoint["url"]
    if endpoint["cloud"] == "modal":
        return web.call(url, request, root=root, stack=stack, **how)
    if endpoint["kind"] == "load_balancer":
        headers = jobs.headers_for(url, root, stack)
        return web.call(url, request, root=root, stack=stack, headers=headers, **how)
    return jobs.call(url, request, root=root, stack=stack, **how)


def read_request(text: str) -> dict[str, Any]:
    """What `--input` says: a JSON object, @FILE, or - for standard input. Raises CallError."""
    source, body = "--input", text
    try:
        if text == "-":
            source, body = "standard input", sys.stdin.read()
        elif text.startswith("@"):
            source = text[1:]
            with open(source, encoding="utf-8") as file:
                body = file.read()
        value = json.loads(body)
    except OSError as error:
        raise CallError(f"{source} cannot be read: {error.strerror}", wanted="a readable file") from None
    except UnicodeDecodeError:
        raise CallError(f"{source} is not UTF-8 text", wanted="a JSON object") from None
    except ValueError as error:
        raise CallError(
            f"{source} is not JSON: {error}",
            wanted="a JSON object",
            fix="quote it whole: --input '{\"key\": 1}'",
        ) from None
    if not isinstance(value, dict):
        raise CallError(f"{source} is a JSON {type(value).__name__}", wanted="a JSON object")
    return value


def _endpoint(outputs: dict[str, Any], name: str, stack: str) -> dict[str, Any]:
    from infra.spec.nearest import nearest

    endpoints = outputs.get("endpoints") or {}
    if name in endpoints:
        found: dict[str, Any] = endpoints[name]
        return found
    known = ", ".join(nearest(name, endpoints) or sorted(endpoints)) or "none"
    raise CallError(
        f"stack {stack!r} has no endpoint {name!r}",
        wanted=f"one of its endpoints: {known}",
        fix=f"run `pulumi up -s {stack}`, or check the name",
    )


class _Progress:
    """One line that is rewritten on a terminal; elsewhere a line for each new phase."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, phase: str, elapsed_s: float) -> None:
        if sys.stderr.isatty():
            text = f"{phase} ({elapsed_s:.0f} s)" if phase else ""
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif phase and phase != self._last:
            print(f"{phase} ({elapsed_s:.0f} s)", file=sys.stderr, flush=True)
        self._last = phase
