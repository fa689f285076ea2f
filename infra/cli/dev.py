"""`pilotlight dev NAME`: edit and run. Each save is on the endpoint, and its answer on the screen, in about a second."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.cli.dev_loop import Loop
    from infra.cli.dev_record import Record
    from infra.cli.dev_state import Deployed
    from infra.cli.dev_target import Target


class DevError(PilotlightError):
    """The loop cannot begin."""


def add_commands(subparsers: Any) -> None:
    parser = subparsers.add_parser("dev", help="edit and run: each save of a handler is called at once")
    parser.add_argument("name", help="the endpoint's name, as the program declares it")
    parser.add_argument(
        "-s", "--stack", default="dev", help="the stack that it is deployed by (default: dev)"
    )
    parser.add_argument(
        "--input",
        help="the request: a JSON object, @FILE (read again when it changes), or - for standard input; "
        "default: that of last time",
    )
    parser.add_argument("--once", action="store_true", help="one round, and back; exit code 1 if it failed")
    parser.add_argument("--keep", action="store_true", help="leave the last version at the end")
    parser.add_argument(
        "--timeout", type=float, default=300.0, help="seconds to wait for an answer (default: 300)"
    )
    parser.add_argument("--yes", action="store_true", help="also on a real cloud, where others may be served")


def run(args: argparse.Namespace) -> int:
    from infra.cli import dev_state
    from infra.cli.dev_record import Record
    from infra.kit.local import find_root

    root = find_root(None)
    deployed = dev_state.read(root, args.stack, args.name)
    _ask_for_consent(deployed, args.yes)
    with Record(root, args.stack, args.name) as record:
        request = _requests(args.input, record)
        return asyncio.run(_session(args, root, deployed, record, request))


def _ask_for_consent(deployed: "Deployed", yes: bool) -> None:
    if deployed.is_local:
        return
    what = f"{deployed.name!r} of stack {deployed.stack!r} is on the real {_cloud(deployed)}"
    if not yes:
        raise DevError(
            f"{what}: each save would replace the workers that answer its requests, and cost what they cost",
            wanted="a stack of your own, best on this machine",
            fix="give --yes if nobody else depends on it",
        )
    _say(f"WARNING: {what}. Each save replaces the workers that answer its requests.")


def _requests(given: str | None, record: "Record") -> Callable[[], dict[str, Any]]:
    """What to send: read once, or again for each call where it is a file."""
    from infra.cli.call import read_request

    if given is None:
        last = record.input
        if last is None:
            raise DevError(
                "there is no input of last time", fix="give one: --input '{\"key\": 1}', or --input @FILE"
            )
        return lambda: last
    first = read_request(given)
    record.remember(first)
    if not given.startswith("@"):
        return lambda: first

    def again() -> dict[str, Any]:
        request = read_request(given)
        record.remember(request)
        return request

    return again


async def _session(
    args: argparse.Namespace,
    root: Path,
    deployed: "Deployed",
    record: "Record",
    request: Callable[[], dict[str, Any]],
) -> int:
    from infra.cli.dev_loop import Loop

    target = _target(deployed, root, record)
    if args.input and args.input.startswith("@"):
        target.watched.append(Path(args.input[1:]))
    try:
        await target.open()
        live = await target.live()
        if live is None:
            raise DevError(
                f"{args.name!r} is in the stack's state, but {_cloud(deployed)} has no such endpoint",
                fix=f"run `pulumi refresh -s {args.stack}`, then `pulumi up -s {args.stack}`",
            )
        _greet(deployed, target, live, record, args.once)
        loop = Loop(
            target,
            request,
            live=live,
            timeout_s=args.timeout,
            note=record.note,
            say=_say,
            answer=_print,
            outage=lambda: _outage(root, deployed),
        )
        # What a killed process left running is not known to be any good.
        loop.good = deployed.version if live in record.versions else live
        with _signals(loop):
            try:
                answered = await _run(loop, target, args.once)
            finally:
                await _end(args, root, deployed, record, target, loop)
        return 0 if answered else 1
    finally:
        with contextlib.suppress(PilotlightError):
            await target.close()


def _target(deployed: "Deployed", root: Path, record: "Record") -> "Target":
    if deployed.on_modal:
        from infra.cli.dev_modal import ModalTarget

        return ModalTarget(deployed, root, record.directory, _said)
    from infra.cli.dev_runpod import RunPodTarget

    return RunPodTarget(deployed, root, _said)


async def _run(loop: "Loop", target: "Target", once: bool) -> bool:
    from infra.cli.dev_watch import changes

    if once:
        return await loop.once()
    await loop.run(changes(target.watched))
    return True


async def _end(
    args: argparse.Namespace,
    root: Path,
    deployed: "Deployed",
    record: "Record",
    target: "Target",
    loop: "Loop",
) -> None:
    """Put back what the stack deploys now: somebody may have run `pulumi up` meanwhile."""
    from infra.cli import dev_state

    up = f"`pulumi up -s {args.stack}`"
    if not record.versions:
        return
    if args.keep:
        _say(f"the last version stays ({loop.current}); {up} makes it official")
        return
    try:
        with contextlib.suppress(PilotlightError):
            deployed = await asyncio.to_thread(dev_state.read, root, args.stack, args.name)
        live = await target.live()
        if live is None:
            _say("the endpoint is gone, so there is nothing to put back")
        elif live == deployed.version:
            _say(f"the endpoint runs what stack {args.stack} deployed")
        elif live not in record.versions:
            _say(f"the endpoint runs {live}, which somebody else put there: it stays")
        else:
            await target.swap(deployed.version)
            _say(f"put back what stack {args.stack} deployed ({deployed.version})")
        await target.clean(record.versions)
        record.forget()
    except PilotlightError as error:
        _say(f"error: {error}")
        _say(
            f"what stack {args.stack} deployed is not put back; the next `pilotlight dev {args.name}` does that, or "
            f"`pulumi refresh -s {args.stack}` and {up}"
        )


def _greet(deployed: "Deployed", target: "Target", live: str, record: "Record", once: bool) -> None:
    if live != deployed.version:
        whose = "a killed `pilotlight dev`" if live in record.versions else "somebody else"
        _say(f"the endpoint runs what {whose} left ({live}); at the end comes back what the stack deployed")
    where = "this machine's " if deployed.is_local else ""
    if not once:
        _say(f"{deployed.name} on {where}{_cloud(deployed)}: watching {target.source.shown}; Ctrl-C ends it")


@contextlib.contextmanager
def _signals(loop: "Loop") -> Iterator[None]:
    """Ctrl-C, `kill` and a closed terminal end the loop in order; the second one ends it at once."""
    running = asyncio.get_running_loop()
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop() -> None:
        loop.stopped.set()
        for kind in kinds:
            running.remove_signal_handler(kind)

    for kind in kinds:
        running.add_signal_handler(kind, stop)
    try:
        yield
    finally:
        for kind in kinds:
            running.remove_signal_handler(kind)


def _outage(root: Path, deployed: "Deployed") -> str:
    """What an error means for the next save."""
    from infra.kit.local import read_cloud

    if deployed.is_local and read_cloud(root) is None:
        return "the local cloud has stopped; the next save starts it again"
    return "the next save tries again"


def _cloud(deployed: "Deployed") -> str:
    return "Modal" if deployed.on_modal else "RunPod"


def _say(text: str) -> None:
    _write(sys.stderr, text)


def _said(line: str) -> None:
    """A line of a worker."""
    _write(sys.stderr, f"  | {line}")


def _print(text: str) -> None:
    _write(sys.stdout, text)


def _write(stream: Any, text: str) -> None:
    """A terminal that was closed must not keep us from putting things back."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=stream, flush=True)
