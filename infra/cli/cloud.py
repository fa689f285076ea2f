"""`pilotlight cloud …`: the local cloud of this checkout."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.localcloud.daemon.paths import CloudPaths

LOG_TAIL = 100  # lines


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser("cloud", help="the local cloud: up, down, status, logs, env, reset")
    parser.add_argument("--root", type=Path, help="directory with Pulumi.yaml (default: upward from here)")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    start = actions.add_parser("up", help="start it, unless it runs")
    start.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting, and keep it"
    )
    actions.add_parser("down", help="stop it; its state is kept")
    status = actions.add_parser(
        "status", help="what runs, where, and what it has cost (exit code 3: not running)"
    )
    status.add_argument("--json", action="store_true")
    logs = actions.add_parser("logs", help="log of the daemon, or of an endpoint's workers")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with new lines until interrupted")
    logs.add_argument(
        "--endpoint", metavar="NAME", help="name or id of an endpoint: the lines of its workers"
    )
    actions.add_parser("env", help='variables for every client; use: eval "$(pilotlight cloud env)"')
    reset = actions.add_parser("reset", help="stop it and delete all of its state")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    reset.add_argument("--ports", action="store_true", help="forget only which ports it uses")


def run(args: argparse.Namespace) -> int:
    root = _root(args.root)
    if args.action == "up":
        return up(root, args.set)
    if args.action == "down":
        return down(root)
    if args.action == "status":
        return _status(root, args.json)
    if args.action == "logs":
        return _logs(root, args.endpoint, args.follow)
    if args.action == "env":
        return _env(root)
    return _reset(root, yes=args.yes, only_ports=args.ports)


def up(root: Path, assignments: list[str] | None = None) -> int:
    from infra.localcloud.daemon import lifecycle
    from infra.localcloud.daemon.paths import CloudPaths

    start = time.monotonic()
    progress: list[str] = []

    def say(text: str) -> None:
        progress.append(text)
        _say(text)

    record = lifecycle.up(CloudPaths.of(root), say, assignments or [])
    took = f"ready in {time.monotonic() - start:.1f} s" if progress else "running"
    _say(f"{took} at {record['url']}")
    return 0


def down(root: Path) -> int:
    from infra.localcloud.daemon import lifecycle
    from infra.localcloud.daemon.paths import CloudPaths

    ran = lifecycle.down(CloudPaths.of(root), _say)
    _say("stopped" if ran else "was not running")
    return 0


def _status(root: Path, as_json: bool) -> int:
    from infra.localcloud.daemon import record, status
    from infra.localcloud.daemon.client import Client
    from infra.localcloud.daemon.paths import CloudPaths

    paths = CloudPaths.of(root)
    running = record.read(paths)
    if running is None:
        print(
            json.dumps({"running": False})
            if as_json
            else "local cloud: not running (`pilotlight cloud up` starts it)"
        )
        return 3
    found = Client(running).get("/_local/status")
    print(json.dumps(found, indent=2) if as_json else status.text(found))
    return 0


def _logs(root: Path, endpoint: str | None, follow: bool) -> int:
    from infra.localcloud.daemon import tail
    from infra.localcloud.daemon.paths import CloudPaths

    paths = CloudPaths.of(root)
    files = tail.daemon(paths) if endpoint is None else tail.workers(paths, _endpoint_id(paths, endpoint))
    for line in tail.lines(files, LOG_TAIL, follow=follow, label=endpoint is not None):
        print(line, flush=follow)
    return 0


def _endpoint_id(paths: "CloudPaths", wanted: str) -> str:
    from infra.localcloud.core.store import Store
    from infra.spec.errors import PilotlightError

    names: dict[str, str] = {}
    if paths.store.exists():
        store = Store(paths.store)
        names = {endpoint["id"]: endpoint["name"] for endpoint in store.endpoints()}
        names |= {pod_id: pod["name"] for pod_id, pod in store.kv("runpod.pods").items()}
        store.close()
    found = _match(names, wanted)
    # An endpoint that was deleted has no name any more, but its logs are still there.
    if found is None and wanted not in ("", ".", "..") and (paths.logs / Path(wanted).name).is_dir():
        found = Path(wanted).name
    if found is None:
        raise PilotlightError(
            f"the local cloud has no endpoint or pod {wanted!r}",
            wanted=f"one of {', '.join(names.values()) or '(none)'}",
        )
    return found


def _match(names: dict[str, str], wanted: str) -> str | None:
    """The id of the endpoint with this id or name, or with the name that the program gave it: `search-1a2b3c4`."""
    exact = next((id for id, name in names.items() if wanted in (id, name)), None)
    declared = [id for id, name in names.items() if wanted and name.rpartition("-")[0] == wanted]
    return exact or (declared[0] if len(declared) == 1 else None)


def _env(root: Path) -> int:
    from infra.localcloud.daemon import environment, lifecycle
    from infra.localcloud.daemon.paths import CloudPaths

    paths = CloudPaths.of(root)
    print(environment.shell(environment.variables(lifecycle.require(paths), paths, os.environ)), end="")
    return 0


def _reset(root: Path, *, yes: bool, only_ports: bool) -> int:
    from infra.localcloud.daemon import lifecycle
    from infra.localcloud.daemon.paths import CloudPaths

    paths = CloudPaths.of(root)
    if only_ports:
        lifecycle.reset(paths, _say, only_ports=True)
        _say("ports forgotten; the next `pilotlight cloud up` chooses new ones")
        return 0
    if not yes and not _confirmed(paths.cloud):
        _say("nothing done (give --yes to skip the question)")
        return 1
    lifecycle.reset(paths, _say)
    _say("all state deleted; stacks deployed here need `pulumi refresh` before their next `pulumi up`")
    return 0


def _confirmed(folder: Path) -> bool:
    if not sys.stdin.isatty():
        return False
    question = f"Stop the local cloud and delete {folder} (endpoints, images, buckets)? [y/N] "
    return input(question).strip().lower() in ("y", "yes")


def _root(given: Path | None) -> Path:
    if given is not None:
        return given
    from infra.kit.local import find_root

    return find_root(None)


def _say(text: str) -> None:
    print(f"local cloud: {text}", file=sys.stderr, flush=True)
