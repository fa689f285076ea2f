"""First `up` and no-op `up` of 1, 10 and 100 raw RunPod endpoints, beside as many of the engine's builtin Stash and
as many `pulumi.dynamic` resources.

    .venv/bin/python benchmarks/resources_vs_stash.py [--rounds 5] [--counts 1,10,100]

Every round runs the kinds in turn, each on a fresh stack with a file backend, against a local cloud of its own
(rate limit off, rollouts instant) in a temporary directory. Prints medians in seconds and the ratios to Stash.
`stash*` is Stash holding as much as an endpoint's state does: what the engine alone costs for resources of this size.
Wanted at 100: endpoints at most 1.3x Stash, and faster than dynamic.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED_RATIO = 1.3
KINDS = ("stash", "stash*", "endpoint", "dynamic")
PROGRAMS = {
    "stash": """
import pulumi
for n in range({count}):
    pulumi.Stash(f"r{{n}}", input={{"name": f"r{{n}}", "image": "example/image@sha256:1", "workers": {{"min": 0, "max": 3}}}})
""",
    "stash*": """
import pulumi
for n in range({count}):
    url = f"http://127.0.0.1:40000/v2/0123456789abcd/{{n}}/runsync"
    pulumi.Stash(f"r{{n}}", input={{**{inputs}, "name": f"r{{n}}", "url": url, "status": url}})
""",
    "endpoint": """
from infra.runpod.sdk import Endpoint
for n in range({count}):
    Endpoint(f"r{{n}}", image="example/image@sha256:" + "1" * 64, gpu={{"pools": ["AMPERE_24"]}}, workers={{"min": 0, "max": 3}})
""",
    "dynamic": """
from pulumi.dynamic import CreateResult, Resource, ResourceProvider
class Made(ResourceProvider):
    def create(self, props):
        return CreateResult(props["name"], props)
class Thing(Resource):
    def __init__(self, name):
        super().__init__(Made(), name, {{"name": name, "image": "example/image@sha256:1"}})
for n in range({count}):
    Thing(f"r{{n}}")
""",
}

# What an endpoint's inputs hold once its defaults are filled in: the engine writes the whole state at every step.
INPUTS = {
    "type": "QUEUE",
    "image": "example/image@sha256:" + "1" * 64,
    "gpu": {"pools": ["AMPERE_24"], "excludedTypes": [], "count": 1, "allowedCudaVersions": []},
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "workers": {"min": 0, "max": 3, "idleTimeout": 10},
    "timeoutMs": 300000,
    "env": {},
    "args": "",
    "disk": 20,
    "ports": [],
    "dataCenterIds": [],
    "flashboot": "OFF",
    "networkVolumes": [],
    "waitForRollout": True,
    "computeFamily": "GPU",
}


class Project:
    """A Pulumi project in a directory of its own, with its own local cloud."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        toolchain = ROOT / ".pilotlight" / "toolchain.json"
        if not toolchain.exists():
            sys.exit(f"{toolchain} is missing: run `make setup`")
        self.pulumi = json.loads(toolchain.read_text())["pulumi"]
        (directory / ".pilotlight").mkdir()
        shutil.copy(toolchain, directory / ".pilotlight")
        (directory / ".venv").symlink_to(ROOT / ".venv")
        (directory / "Pulumi.yaml").write_text(
            f"name: bench\nruntime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: {ROOT / '.venv'}\n"
            f"plugins:\n  providers:\n    - name: pilotlight-runpod\n      path: {ROOT / '.venv' / 'bin'}\n"
        )
        self.environment = {
            "PATH": f"{Path(self.pulumi).parent}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "HOME": str(directory),
            "PULUMI_HOME": str(directory / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_BACKEND_URL": f"file://{directory / 'state'}",
        }
        (directory / "state").mkdir()

    def cloud(self, *arguments: str) -> None:
        self._run([str(ROOT / ".venv" / "bin" / "pilotlight"), "cloud", *arguments])

    def measure(self, kind: str, count: int, stack: str) -> tuple[float, float]:
        """Seconds of the first `up` and of one that changes nothing. Leaves nothing behind in the cloud."""
        (self.directory / "__main__.py").write_text(PROGRAMS[kind].format(count=count, inputs=INPUTS))
        self._pulumi("stack", "init", stack)
        self._pulumi("config", "set", "pilotlight-runpod:target", "local", "--stack", stack)
        first = self._timed("up", "--yes", "--skip-preview", "--stack", stack)
        again = self._timed("up", "--yes", "--skip-preview", "--stack", stack)
        self._pulumi("destroy", "--yes", "--skip-preview", "--remove", "--stack", stack)
        return first, again

    def _timed(self, *arguments: str) -> float:
        started = time.perf_counter()
        self._pulumi(*arguments)
        return time.perf_counter() - started

    def _pulumi(self, *arguments: str) -> None:
        self._run([self.pulumi, *arguments, "--non-interactive"])

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=self.directory, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--counts", default="1,10,100")
    options = parser.parse_args()
    counts = [int(count) for count in options.counts.split(",")]
    with tempfile.TemporaryDirectory(prefix="pilotlight-bench-") as directory:
        project = Project(Path(directory))
        project.cloud("up", "--set", "rate_limit=false", "--set", "rollout=instant")
        try:
            # The first run of each kind writes bytecode caches and is not counted.
            for kind in KINDS:
                project.measure(kind, 1, f"warm-{kind.replace('*', '-full')}")
            measured: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
            for round in range(options.rounds):
                for count in counts:
                    for kind in KINDS:
                        measured[kind, count].append(
                            project.measure(kind, count, f"{kind.replace('*', '-full')}-{count}-{round}")
                        )
        finally:
            project.cloud("down")
    report(measured, counts)


def report(measured: dict[tuple[str, int], list[tuple[float, float]]], counts: list[int]) -> None:
    print(f"{'':>5} {'kind':<9} {'first up':>9} {'x Stash':>8} {'no-op up':>9} {'x Stash':>8}")
    medians = {
        key: tuple(statistics.median(run[index] for run in runs) for index in (0, 1))
        for key, runs in measured.items()
    }
    for count in counts:
        base = medians["stash", count]
        for kind in KINDS:
            first, again = medians[kind, count]
            print(
                f"{count:>5} {kind:<9} {first:>8.2f}s {first / base[0]:>8.2f} {again:>8.2f}s {again / base[1]:>8.2f}"
            )
    largest = max(counts)
    stash, endpoint, dynamic = (medians[kind, largest] for kind in ("stash", "endpoint", "dynamic"))
    good = all(endpoint[i] <= WANTED_RATIO * stash[i] and endpoint[i] < dynamic[i] for i in (0, 1))
    print(
        f"wanted at {largest}: endpoint <= {WANTED_RATIO}x Stash and faster than dynamic: {'met' if good else 'NOT met'}"
    )


if __name__ == "__main__":
    main()
