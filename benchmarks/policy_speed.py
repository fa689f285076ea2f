"""What the rules cost: alone, in a provider's Check, and as a pack in a preview.

    .venv/bin/python benchmarks/policy_speed.py [--preview] [--json]

`rules`: 1,000 endpoints of two clouds, each with traffic, SLO and budget, all rules on, plans at hand. Wanted: < 0.5 s. `ceilings`: the same
without traffic, plans included. `kinds`: with 20 kinds of traffic among them, plans included. `plan`: one plan with traffic. `check`: 100 endpoints without limits, as in a `pulumi up` that changes
nothing. `pack`: what the pack adds to a preview of 100 endpoints, start included, in turn with and without it. Wanted: <= 0.3 s;
`cpu` is the processor time of that, which a busy machine does not lengthen.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from infra.spec.findings import ResourceView  # noqa: E402
from policies.judge import judge  # noqa: E402
from policies.provider_gate import gate  # noqa: E402
from policies.rules import RULES, STACK_RULES, Context  # noqa: E402
from policies.settings import Settings  # noqa: E402

WANTED = {"rules_1000_s": 0.5, "pack_100_s": 0.3}
PROGRAM = """
from infra.runpod.sdk import Endpoint
for index in range(100):
    Endpoint(f"e{index}", image="r/x@sha256:" + "0" * 64, gpu={"pools": ["ADA_24"]}, workers={"max": 2},
             intent={"endpoint": f"e{index}", "cloud": "runpod", "gpu": ["RTX-4090"], "workers": {"min": 0, "max": 2},
                     "idle_timeout_s": 5, "budget": {"usd_per_month": 5000}})
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preview", action="store_true", help="measure the pack, too (needs `make setup`)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    args = parser.parse_args()
    figures = {
        "rules_1000_s": judged(1000, 20, rounds=2),
        "ceilings_1000_s": judged(1000, 0),
        "kinds_1000_s": judged(1000, 20),
        "plan_s": judged(20, 20) / 20,
        "check_first_s": timed(lambda: gate(plain(0))),
        "check_100_s": timed(lambda: [gate(plain(index)) for index in range(100)]),
    }
    if args.preview:
        figures |= preview()
    if args.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            wanted = f"   (wanted: <= {WANTED[name]:g})" if name in WANTED else ""
            print(f"{name:<16} {value:8.3f}{wanted}")
    return 0


def judged(count: int, kinds: int, rounds: int = 1) -> float:
    """Seconds of the last round; `kinds` of traffic, 0 = nobody knows it."""
    context = Context(date(2026, 11, 24))
    settings = Settings({id: rule.settings() for id, rule in (RULES | STACK_RULES).items()})
    views = [endpoint(index, kinds) for index in range(count)]
    judge(endpoint(0, 0), settings, context)  # the catalog and the planner load once
    for _ in range(rounds):
        took = timed(lambda: [judge(view, settings, context) for view in views])
    return took


def endpoint(index: int, kinds: int) -> ResourceView:
    traffic = {"traffic": {"requests_per_hour": 20 + index % kinds, "service_s": 1.5}} if kinds else {}
    slo = {"cold_start_p95_s": 120, **({"wait_p95_s": 120} if kinds else {})}
    cloud, kind = ("modal", "App") if index % 2 else ("runpod", "Endpoint")
    intent = {
        "endpoint": f"e{index}",
        "cloud": cloud,
        "gpu": ["L4"],
        "workers": {"min": 0, "max": 3},
        "idle_timeout_s": 60,
        **traffic,
        "slo": slo,
        "budget": {"usd_per_month": 5000},
    }
    if cloud == "modal":
        inputs: dict[str, Any] = {
            "classes": {"Model": {"gpu": ["L4"], "maxContainers": 3, "scaledownWindowS": 60}}
        }
    else:
        cards = {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090"]}
        inputs = {"gpu": cards, "workers": {"max": 3, "idleTimeout": 60}}
    return view(f"pilotlight-{cloud}:index:{kind}", index, {**inputs, "intent": intent})


def plain(index: int) -> ResourceView:
    intent = {"endpoint": f"e{index}", "cloud": "runpod", "gpu": ["L4"], "workers": {"min": 0, "max": 2}}
    inputs = {"image": "r/x@sha256:" + "0" * 64, "workers": {"max": 2}, "env": {"A": "b"}, "intent": intent}
    return view("pilotlight-runpod:index:Endpoint", index, inputs)


def view(type: str, index: int, inputs: dict[str, Any]) -> ResourceView:
    return ResourceView(type, f"urn:pulumi:dev::shop::{type}::e{index}", f"e{index}", "dev", "shop", inputs)


def preview() -> dict[str, float]:
    from tests.e2e.checkout import Checkout

    with tempfile.TemporaryDirectory() as scratch:
        checkout = Checkout.make(Path(scratch) / "app")
        (checkout.root / "stacks/__main__.py").write_text(PROGRAM)
        checkout.run("pulumi", "stack", "init", "dev", code=None)
        pack = ("--policy-pack", "policies")
        runs: dict[tuple[str, ...], list[tuple[float, float]]] = {(): [], pack: []}
        for _ in range(5):
            for extra, took in runs.items():
                before = os.times()
                wall = timed(lambda: checkout.run("pulumi", "preview", "--stack", "dev", *extra))  # noqa: B023
                after = os.times()
                cpu = sum(after[2:4]) - sum(before[2:4])
                took.append((wall, cpu))
    alone, packed = (
        [statistics.median(column) for column in zip(*took[1:], strict=True)] for took in runs.values()
    )
    return {
        "preview_100_s": alone[0],
        "pack_100_s": packed[0] - alone[0],
        "pack_100_cpu_s": packed[1] - alone[1],
    }


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
