"""Reports, plans and streams of any size, made for tests and benchmarks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from infra.planning.plan import ColdStart, Cost, EndpointPlan, Phase, Spread
from infra.report.build import stack_report
from infra.report.events import read
from infra.report.facts import Declared, Facts, Judged, Planned, Resource
from infra.report.model import Book, Judgement, Met, Side, StackReport
from infra.spec.expectations import Slo
from infra.spec.scaling import Workers

TYPE = "pilotlight-runpod:index:Endpoint"
HEAD, BASE = "1a2b3c4d" * 5, "9f8e7d6c" * 5


def plan(name: str, expected: str | None = "1240", p95: float = 22.0, **changed: Any) -> EndpointPlan:
    """One on RunPod with numbers that are easy to find again."""
    phases = (
        Phase("acquire", 1, 3, "a machine in stock"),
        Phase("image", p95 / 4, p95 / 2, "4 GB"),
        Phase("load", 5, p95 / 2 - 3),
    )
    cold = ColdStart(p95 / 2, p95, phases)
    money = None if expected is None else Decimal(expected)
    low, high = (None, None) if money is None else (money / 2, money * 2)
    made = EndpointPlan(
        name=name,
        cloud="runpod",
        kind="serverless",
        gpu="H100",
        gpu_count=1,
        workers=Workers(min=0, max=3),
        idle_timeout_s=60,
        scaler=None,
        fast_boot=False,
        usd_per_worker_hour=Decimal("2.99"),
        price_book="market-2026-11",
        cost=Cost(Decimal(0), Decimal(6548), money, low, high),
        cold_start=cold,
        cold_start_worst=cold,
        basis=None if money is None else "rate (a guess)",
        waits=Spread(0, 12, 20),
        waits_worst=Spread(0, 14, 25),
        requests_per_month=None if money is None else 14_600,
        missing=("sizes.image_bytes",),
    )
    return replace(made, **changed)


def planned(name: str, slo_s: float | None = 30, **about: Any) -> Planned:
    intent = {"endpoint": name, "cloud": "runpod", "workers": {"max": 3}, "mark": str(sorted(about.items()))}
    slo = None if slo_s is None else Slo(cold_start_p95_s=slo_s)
    return Planned(intent, Side(plan(name, **about), slo), ("stacks/__main__.py", 12))


def urn(name: str, type_: str = TYPE) -> str:
    return f"urn:pulumi:prod::shop::{type_}::{name}"


def resource(name: str, **inputs: Any) -> Resource:
    return Resource(urn(name), TYPE, name, True, inputs, ("stacks/__main__.py", 12))


def finding(name: str, level: str = "error", policy: str = "cold-start-slo", **about: Any) -> Judgement:
    return Judgement(
        policy=policy,
        level=level,
        message=about.pop("message", "cold start p95 41.0 s is over the 30 s of the SLO"),
        fix=about.pop("fix", "keep one worker warm"),
        resource=name,
        type=TYPE,
        urn=urn(name),
        source=("stacks/__main__.py", 12),
        **about,
    )


def judged(pairs: int, *findings: Judgement) -> Judged:
    """`pairs` rules met one resource."""
    rules = ("cold-start-slo", "image-digest", "vram-fit", *(f"rule-{index}" for index in range(3, pairs)))[
        :pairs
    ]
    met = Met(urn("chat-0"), TYPE, "chat-0", rules, ("stacks/__main__.py", 12))
    return Judged(findings, (met,) if pairs else (), {"cold-start-slo": "Starts hold the SLO."})


def event(sequence: int, **body: Any) -> str:
    return json.dumps({"sequence": sequence, "timestamp": 1795500865, **body}, separators=(",", ":"))


def step(name: str, op: str, old: Any = None, new: Any = None, **about: Any) -> dict[str, Any]:
    """The body of a resourcePreEvent."""

    def state(inputs: Any) -> Any:
        return (
            None
            if inputs is None
            else {"type": TYPE, "urn": urn(name), "custom": True, "inputs": inputs, "outputs": {}}
        )

    metadata = {"op": op, "urn": urn(name), "type": TYPE, "old": state(old), "new": state(new), **about}
    return {"metadata": metadata, "planning": True}


def lines(count: int, end: str | None = "succeeded", **about: Any) -> Iterator[str]:
    """A preview of `count` resources: one in ten replaced, three created, one deleted, the rest updated. `end` None: it
    breaks off."""
    yield event(0, preludeEvent={"config": {}})
    environment = {f"VARIABLE_{index}": "x" * 40 for index in range(30)}
    counts: dict[str, int] = {}
    for index in range(count):
        name = f"{about.get('name', 'chat')}-{index}"
        old = {"workers": {"max": 2}, "gpu": "L4", "env": environment, "image": "a" * 64}
        new = {"workers": {"max": 4}, "gpu": "H100", "env": environment, "image": "b" * 64}
        op = {0: "replace", 1: "create", 2: "create", 3: "create", 4: "delete"}.get(index % 10, "update")
        diff = {"workers.max": {"diffKind": "update", "inputDiff": True}}
        if op == "replace":
            diff["gpu"] = {"diffKind": "update-replace", "inputDiff": True}
        yield event(
            index,
            resourcePreEvent=step(
                name,
                op,
                None if op == "create" else old,
                None if op == "delete" else new,
                detailedDiff=None if op in ("create", "delete") else diff,
            ),
        )
        yield event(index, resOutputsEvent=step(name, op, old, new))
        message = "registering resource: a line that nobody wants"
        yield event(index, diagnosticEvent={"prefix": "debug: ", "message": message, "severity": "debug"})
        counts[op] = counts.get(op, 0) + 1
    if end is not None:
        yield event(
            count,
            summaryEvent={"durationSeconds": 2, "resourceChanges": counts, "isPreview": True, "result": end},
        )


def facts(count: int = 1, **changed: Any) -> Facts:
    """A pull request over `count` endpoints, each of which grows dearer and slower."""
    names = [f"chat-{index}" for index in range(count)]
    head = Declared(
        [resource(name, workers={"max": 4}) for name in names],
        {name: planned(name, expected="2915", p95=41.0) for name in names},
    )
    made = Facts(
        project="shop",
        stack="prod",
        head=head,
        declared={one.urn: one.inputs for one in head.resources},
        base=Declared([], {name: planned(name) for name in names}),
        judged=judged(
            34,
            finding(names[0]),
            finding(names[0], "warning", "image-digest"),
            finding(names[0], "deferred", "vram-fit"),
        ),
        stream=read(lines(count)),
        book=Book("market-2026-11", "2026-11-24", 3),
        head_commit=HEAD,
        base_commit=BASE,
        versions={"pilotlight": "0.1.0", "pulumi": "3.259.0"},
    )
    return replace(made, **changed)


def report(count: int = 1, **changed: Any) -> StackReport:
    return stack_report(facts(count, **changed))
