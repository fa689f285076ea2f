"""The daemon: starts the local cloud of one checkout, says when it is ready, and takes it down again."""

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from infra.spec.errors import PilotlightError

from . import process
from .files import lock
from .keys import load_keys
from .paths import CloudPaths
from .ports import claim, number

log = logging.getLogger("pilotlight.cloud")

CLOSE_S = 10.0


class AlreadyRunning(PilotlightError):
    """One checkout, one daemon."""


class Report:
    """What the command that starts us gets to see: one JSON object a line, to the descriptor it gave us."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def status(self, text: str) -> None:
        log.info("%s", text)
        self._send({"status": text})

    def error(self, error: PilotlightError) -> None:
        log.error("%s", error)
        self._send({"error": {"what": error.what, "wanted": error.wanted, "fix": error.fix}})

    def ready(self) -> None:
        log.info("ready")
        self._send({"ready": True})
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _send(self, message: dict[str, Any]) -> None:
        if self._descriptor is not None:
            # Whoever started us may have gone already; that is no reason to stop.
            with contextlib.suppress(OSError):
                os.write(self._descriptor, (json.dumps(message) + "\n").encode())


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a stop that was asked for; 1 if it could not start, with the reason in the report and on stderr."""
    parser = argparse.ArgumentParser(prog="python -m infra.localcloud.daemon", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="directory with Pulumi.yaml")
    parser.add_argument("--ready-fd", type=int, help="descriptor that gets progress and readiness")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting first"
    )
    arguments = parser.parse_args(argv)
    os.umask(0o077)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    report = Report(arguments.ready_fd)
    try:
        run(CloudPaths.of(arguments.root), arguments.set, report)
    except PilotlightError as error:
        report.error(error)
        return 1
    return 0


def run(paths: CloudPaths, assignments: Sequence[str], report: Report) -> None:
    """From the lock to the last byte written; blocks until stopped."""
    held = _only_one(paths)
    with held:
        paths.record.unlink(missing_ok=True)
        paths.cloud.mkdir(parents=True, exist_ok=True, mode=0o700)
        leftovers = process.kill_living_under(paths.cloud)
        if leftovers:
            report.status(f"ended {len(leftovers)} leftover processes of a cloud that was killed")
        # Imported late, so that a second daemon is refused before a second is spent on it.
        from infra.localcloud.core.settings import Settings
        from infra.localcloud.core.store import Store

        settings = Settings.load(paths.settings)
        for assignment in assignments:
            settings.set(assignment)
        store = Store(paths.store)
        try:
            sockets = claim(paths, _dependents(paths, store), report.status)
        except BaseException:
            store.close()
            raise
        asyncio.run(_serve(paths, settings, store, sockets, report))


def _only_one(paths: CloudPaths) -> IO[str]:
    held = lock(paths.lock, wait=False)
    if held is None:
        pid = paths.lock.read_text().strip() or "unknown"
        raise AlreadyRunning(
            f"a local cloud of {paths.root} runs already (pid {pid})",
            fix="`pilotlight cloud status` shows it",
        )
    held.truncate(0)
    held.write(f"{os.getpid()}\n")
    held.flush()
    return held


def _dependents(paths: CloudPaths, store: Any) -> Any:
    def endpoints() -> str:
        count = len(store.endpoints())
        return (
            f"{count} deployed endpoint{'s carry' if count > 1 else ' carries'} that address" if count else ""
        )

    def buckets() -> str:
        names = (
            [path.name for path in paths.s3.iterdir() if not path.name.startswith(".")]
            if paths.s3.is_dir()
            else []
        )
        return f"bucket {names[0]} was deployed with that address" if names else ""

    def web_endpoints() -> str:
        count = len(store.kv("modal.web").items())
        return (
            f"{count} deployed web endpoint{'s carry' if count > 1 else ' carries'} that address"
            if count
            else ""
        )

    return {
        "api": endpoints,
        "registry": str,
        "s3": buckets,
        "runpod_s3": str,
        "modal": str,
        "modal_web": web_endpoints,
    }


async def _serve(
    paths: CloudPaths, settings: Any, store: Any, sockets: dict[str, socket.socket], report: Report
) -> None:
    from aiohttp import web

    from . import assembly, record, site

    stop = asyncio.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(wanted, stop.set)
    ports = {use: number(bound) for use, bound in sockets.items()}
    cloud = assembly.assemble(paths, load_keys(paths), ports, settings, store)
    runners: list[web.AppRunner] = []
    try:
        report.status("starting the object store")
        # It binds its port itself, so ours has to let go first.
        sockets["s3"].close()
        await cloud.objectstore.start()
        apps = {
            "api": site.api_site(cloud, stop),
            "registry": assembly.registry_site(cloud),
            "runpod_s3": assembly.volumes_site(cloud),
            "modal_web": cloud.modal.site(),
        }
        for use, app in apps.items():
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            runners.append(runner)
            await web.SockSite(runner, sockets[use]).start()
        await cloud.service.restore()
        await cloud.modal.open(sockets["modal"])
        record.write(cloud)
        gc.collect()
        gc.freeze()
        report.ready()
        await stop.wait()
        report.status("stopping")
    finally:
        paths.record.unlink(missing_ok=True)
        try:
            async with asyncio.timeout(CLOSE_S):
                await cloud.close()
        except TimeoutError:
            log.error("not everything stopped within %.0f s; killing the rest", CLOSE_S)
        for runner in runners:
            await runner.cleanup()
        store.close()
        process.kill_living_under(paths.cloud)
