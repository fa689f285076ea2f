"""Spawn-to-ready and SIGINT-to-exit of provider processes, in turn on this machine.

    .venv/bin/python benchmarks/provider_start.py [--rounds 15] [--json]

`ready` is the time from the spawn to the line with the port on stdout. `sdk` is the Pulumi SDK's own experimental
provider server with no resources, `kit` a kit provider with no resources, and the others are the project's own.
Promise: kit and the project's providers <= 1.3x sdk, and gone within 100 ms.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

SDK = """
import sys
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import main
main(sys.argv[1:], "1.0.0", Provider())
"""

KIT = """
from infra.kit import Model, Provider, prop, serve
class Config(Model):
    api_key: str | None = prop(None, desc="key", secret=True, env="TOY_API_KEY")
async def connect(config, ctx):
    return None
serve(Provider(name="toy", version="1.0.0", config=Config, resources={}, connect=connect))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    args = parser.parse_args()
    commands = {"sdk": [sys.executable, "-c", SDK], "kit": [sys.executable, "-c", KIT]}
    for script in sorted(BIN.glob("pulumi-resource-pilotlight-*")):
        commands[script.name.removeprefix("pulumi-resource-")] = [str(script)]
    figures = measure(commands, args.rounds)
    if args.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"median of {args.rounds} rounds, in turn      ready ms   ratio to sdk   SIGINT -> exit ms")
    for name, figure in figures.items():
        print(f"{name:<32} {figure['ready_ms']:>10.0f} {figure['ratio']:>14.2f} {figure['stop_ms']:>19.0f}")


def measure(commands: dict[str, list[str]], rounds: int) -> dict[str, dict[str, float]]:
    """Medians per command. The first round warms the disk cache and does not count."""
    ready: dict[str, list[float]] = {name: [] for name in commands}
    stop: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            up, down = once(command)
            if number:
                ready[name].append(up)
                stop[name].append(down)
    base = statistics.median(ready["sdk"])
    return {
        name: {
            "ready_ms": statistics.median(ready[name]) * 1000,
            "ratio": statistics.median(ready[name]) / base,
            "stop_ms": statistics.median(stop[name]) * 1000,
        }
        for name in commands
    }


def once(command: list[str]) -> tuple[float, float]:
    """Seconds to the port line, and from SIGINT to the end of the process."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "127.0.0.1:1"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    up = time.perf_counter() - began
    if not line.strip().isdigit():
        process.kill()
        raise SystemExit(f"{command[0]}: wanted a port, got {line!r}")
    began = time.perf_counter()
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    return up, time.perf_counter() - began


if __name__ == "__main__":
    main()
