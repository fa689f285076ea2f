"""What the local cloud costs while it idles: memory and processor time of the daemon and its object store.

    .venv/bin/python benchmarks/idle_cloud.py [--seconds 30] [--endpoints 10]

Starts a cloud of its own in a temporary directory, with as many deployed endpoints and no workers, lets it settle and
watches it. Prints resident and proportional memory (shared pages counted once), processor time over the window, and
the time from `pilotlight cloud up` to ready. Wanted: < 150 MB resident, about 0 % of a processor.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WANTED_MB = 150
WANTED_PERCENT = 1.0
SETTLE_S = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to watch")
    parser.add_argument("--endpoints", type=int, default=10, help="deployed endpoints, all at zero workers")
    parser.add_argument("--starts", type=int, default=5, help="starts to take the median of")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "Pulumi.yaml").write_text("name: idle\nruntime: python\n")
        toolchain = ROOT / ".pilotlight" / "toolchain.json"
        if toolchain.exists():
            (root / ".pilotlight").mkdir()
            (root / ".pilotlight" / "toolchain.json").write_text(toolchain.read_text())
        try:
            starts = [start(root) for _ in range(arguments.starts)]
            deploy(root, arguments.endpoints)
            return report(root, arguments, starts)
        finally:
            cloud(root, "down")


def start(root: Path) -> float:
    """Seconds that `pilotlight cloud up` takes, interpreter included."""
    cloud(root, "down")
    begun = time.perf_counter()
    cloud(root, "up", "--set", "rate_limit=false")
    return time.perf_counter() - begun


def deploy(root: Path, count: int) -> None:
    record = json.loads((root / ".pilotlight" / "cloud.json").read_text())
    headers = {"Authorization": f"Bearer {record['runpod']['api_key']}", "Content-Type": "application/json"}
    for number in range(count):
        body = {
            "name": f"idle-{number}",
            "type": "QUEUE",
            "image": "docker.io/library/busybox:1",
            "gpu": {"pools": ["AMPERE_24"], "count": 1},
            "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
            "workers": {"min": 0, "max": 3, "idleTimeout": 5},
            "timeout": 600_000,
        }
        request = urllib.request.Request(record["url"] + "/v2/serverless", json.dumps(body).encode(), headers)
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def report(root: Path, arguments: argparse.Namespace, starts: list[float]) -> int:
    status = json.loads(cloud(root, "status", "--json"))
    pids = {"daemon": status["pid"], "object store": status["objectStore"]["pid"]}
    time.sleep(SETTLE_S)
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    begun = time.perf_counter()
    time.sleep(arguments.seconds)
    window = time.perf_counter() - begun
    total_mb = total_percent = 0.0
    print(
        f"{'process':14} {'resident MB':>12} {'proportional MB':>16} {'CPU %':>7}   ({arguments.endpoints} endpoints, {window:.0f} s)"
    )
    for name, pid in pids.items():
        resident, proportional = memory_mb(pid)
        percent = 100 * (cpu_seconds(pid) - before[name]) / window
        total_mb, total_percent = total_mb + resident, total_percent + percent
        print(f"{name:14} {resident:12.1f} {proportional:16.1f} {percent:7.2f}")
    print(
        f"{'sum':14} {total_mb:12.1f} {'':16} {total_percent:7.2f}   wanted: < {WANTED_MB} MB, < {WANTED_PERCENT} %"
    )
    print(
        f"`pilotlight cloud up` to ready: median {statistics.median(starts):.2f} s of {', '.join(f'{s:.2f}' for s in starts)}"
    )
    return 0 if total_mb < WANTED_MB and total_percent < WANTED_PERCENT else 1


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident and proportional set size."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return sizes["Rss"], sizes["Pss"]


def cloud(root: Path, *arguments: str) -> Any:
    command = [sys.executable, "-m", "infra.cli.main", "cloud", "--root", str(root), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
