"""The planning engine beside SimFaaS (PyPI, MIT) on the same rate: `.venv/bin/python benchmarks/plan_vs_simfaas.py`.

SimFaaS 0.2.2 is installed into a virtual environment of its own under `.pilotlight/bench/` on the first run. Its scaler
starts an instance for each request that finds none idle, and ends it after a threshold: the semantics of `Policy` with
enough workers, so both simulate the same system: Poisson arrivals, exponential services, 35,000 requests.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.plan_speed import BOOT_S, RATE, REQUESTS, SERVICE_S, made  # noqa: E402
from infra.planning.engine import run_single  # noqa: E402
from infra.planning.kernel import available, run_kernel  # noqa: E402
from infra.planning.run import Boot, Policy  # noqa: E402

HOME = ROOT / ".pilotlight" / "bench" / "simfaas"
TIMES = {"pure Python": 8.0, "compiled": 50.0}

THEIRS = f"""
import json, time
from simfaas.ServerlessSimulator import ServerlessSimulator
sim = ServerlessSimulator(arrival_rate={RATE}, warm_service_rate={1 / SERVICE_S}, cold_service_rate={1 / (SERVICE_S + BOOT_S)},
                          expiration_threshold=60, max_time={REQUESTS / RATE}, maximum_concurrency=1000)
begin = time.perf_counter()
sim.generate_trace(debug_print=False, progress=False)
taken = time.perf_counter() - begin
print(json.dumps({{"seconds": taken, "requests": sim.total_req_count, "cold": sim.get_cold_start_prob()}}))
"""


def main() -> int:
    python = installed()
    theirs = min(
        (
            json.loads(
                subprocess.run(
                    [python, "-c", THEIRS], check=True, capture_output=True, text=True
                ).stdout.splitlines()[-1]
            )
            for _ in range(3)
        ),
        key=lambda run: run["seconds"],
    )
    rate = theirs["requests"] / theirs["seconds"]
    print(
        f"SimFaaS      {theirs['requests']:>7,} requests, {rate:>12,.0f} a second, {theirs['cold']:.1%} cold"
    )
    arrivals, services = made(REQUESTS)
    policy, boots, horizon = Policy(0, 60, 60.0), [Boot(BOOT_S)], arrivals[-1]
    runs = {"pure Python": lambda: run_single(arrivals, services, policy, boots, horizon)}
    if available():
        runs["compiled"] = lambda: run_kernel(arrivals, services, policy, boots, horizon)
    missed = False
    for name, run in runs.items():
        outcome = run()
        taken = []
        for _ in range(7):
            begin = time.perf_counter()
            run()
            taken.append(time.perf_counter() - begin)
        mine = REQUESTS / min(taken)
        faster = mine / rate
        missed |= faster < TIMES[name]
        print(
            f"{name:<12} {REQUESTS:>7,} requests, {mine:>12,.0f} a second, {outcome.boots / REQUESTS:.1%} boots: "
            f"{faster:.1f} times as fast, wanted {TIMES[name]:g}: {'yes' if faster >= TIMES[name] else 'NO'}"
        )
    return int(missed)


def installed() -> str:
    python = HOME / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        subprocess.run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "-q",
                "simfaas==0.2.2",
                "numpy<2",
                "scipy",
                "setuptools<70",
            ],
            check=True,
        )
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
