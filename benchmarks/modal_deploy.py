"""Deployments to Modal through the provider, beside the official CLI, against one local Modal.

    .venv/bin/python benchmarks/modal_deploy.py [--rounds 7] [--apps 100]

`first` is the first deployment of one app with a fresh process on each side: the provider from its spawn to the answer
of Create (which reads everything back, too), and `modal deploy` of the module that the provider rendered. `no-op` is what a
provider does in an `up` that changes nothing: Check and Diff, everything loaded for the first time; how a process starts is
`provider_start.py`'s. Then one `pulumi up` deploys
`--apps` apps, and one changes nothing.
Wanted: first <= 1.5x the CLI, no-op <= 0.2 s, and no error.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc.aio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from infra.kit.protos import provider_pb2_grpc  # noqa: E402
from tests.kit.project import TOOLCHAIN, pulumi_cli  # noqa: E402
from tests.localcloud.modal.running import RunningModal  # noqa: E402
from tests.modal.engine import Engine  # noqa: E402
from tests.modal.stack import Stack, apps, provider  # noqa: E402
from tests.modal.world import SEARCH, project  # noqa: E402

RATIO, NO_OP_S = 1.5, 0.2
PROGRAM = """
opts = pulumi.ResourceOptions(provider=one)
for n in range({count}):
    App(f"app{{n}}", name=f"app{{n}}", source="search", env={{"N": str(n)}}, classes={{"Search": {{"web": {{}}}}}}, opts=opts)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--apps", type=int, default=100)
    options = parser.parse_args()
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="pilotlight-bench-") as folder:
        modal = RunningModal(Path(folder) / "modal")
        try:
            one_by_one(modal, Path(folder), options.rounds)
            if options.apps:
                many(modal, Path(folder) / "many", options.apps)
        finally:
            modal.close()


def one_by_one(modal: RunningModal, folder: Path, rounds: int) -> None:
    root = project(folder)
    figures: dict[str, list[float]] = {"provider": [], "cli": [], "spawn": [], "alone": []}
    for number in range(rounds + 1):
        ours = asyncio.run(deployed(modal, root, f"ours{number}"))
        (module,) = root.glob(f".pilotlight/modal/modules/ours{number}.*/pl_*.py")
        began = time.perf_counter()
        modal.process([sys.executable, "-m", "modal", "deploy", str(module), "--name", f"theirs{number}"])
        theirs = time.perf_counter() - began
        if number:  # the first round warms the disk and writes byte code
            for name, value in zip(figures, (ours[0], theirs, ours[1], ours[2]), strict=True):
                figures[name].append(value)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    ratio = medians["provider"] / medians["cli"]
    print(
        f"first deployment   provider {medians['provider']:.2f} s   modal deploy {medians['cli']:.2f} s   "
        f"ratio {ratio:.2f}   {verdict(ratio <= RATIO)}"
    )
    print(
        f"no-op              Check and Diff in a fresh process {medians['alone']:.3f} s   "
        f"{verdict(medians['alone'] <= NO_OP_S)}   (with its start {medians['spawn']:.2f} s)"
    )


async def deployed(modal: RunningModal, root: Path, name: str) -> tuple[float, float, float]:
    """Seconds of a first deployment from the spawn on, of a no-op from the spawn on, and of a no-op alone."""
    app = SEARCH | {"name": name}
    began = time.perf_counter()
    process, engine = await spawned(modal, root)
    await engine.up(f"App/{name}", app)
    first = time.perf_counter() - began
    await ended(process)
    began = time.perf_counter()
    process, again = await spawned(modal, root)
    again.state = engine.state
    asked = time.perf_counter()
    assert await again.up(f"App/{name}", app) == "same"
    now = time.perf_counter()
    await ended(process)
    return first, now - began, now - asked


async def spawned(modal: RunningModal, root: Path) -> tuple["subprocess.Popen[str]", Engine]:
    """A configured provider process."""
    process, port = await asyncio.to_thread(_started, modal, root)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    engine = Engine(provider_pb2_grpc.ResourceProviderStub(channel))
    await engine.configure({})
    return process, engine


def _started(modal: RunningModal, root: Path) -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.modal", "127.0.0.1:1"],
        cwd=root,
        env={**modal.environment(), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def ended(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    await asyncio.to_thread(process.wait)


def many(modal: RunningModal, folder: Path, count: int) -> None:
    cli = pulumi_cli()
    if cli is None:
        print(f"{count} apps: not measured, {TOOLCHAIN} names no Pulumi CLI (run `make setup`)")
        return
    folder.mkdir()
    stack = Stack.make(folder, cli)
    stack.program(provider("one", modal) + PROGRAM.format(count=count))
    for what, wanted in (("first up", f"+ {count + 2} created"), ("no-op up", f"{count + 2} unchanged")):
        began = time.perf_counter()
        said = stack.up()
        seconds = time.perf_counter() - began
        there = sum(name.startswith("app") for name, _ in apps(modal))
        print(f"{count} apps, {what}: {seconds:.1f} s   {verdict(wanted in said and there == count)}")


def verdict(good: bool) -> str:
    return "ok" if good else "NOT met"


if __name__ == "__main__":
    main()
