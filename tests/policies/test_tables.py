"""Each rule against resources that pass, that fail, and that a preview does not know all of."""

from typing import Any

import pytest

from infra.spec.findings import UNKNOWN, ResourceView, Severity
from policies.rules import RULES
from tests.policies.judged import DIGEST, L4, MODAL, POD, VOLUME, WEIGHTS, app, endpoint, findings, view

BUSY = {"requests_per_hour": 100, "service_s": 1}
QUIET = {"gap_quantiles_s": [[1, 60, 900_000]], "service_s": 1}
LLAMA = {"params_b": 13, "layers": 40, "kv_heads": 40}
TOKEN = "rpa_" + "A1b2C3d4E5f6"
H200 = {"pools": ["HOPPER_141"], "count": 1}
POD_L4 = {"gpu": {"id": "NVIDIA L4", "count": 1}, "image": f"r/x@{DIGEST}"}

FAILS: list[tuple[str, ResourceView, dict[str, Any], str, str]] = [
    ("plannable", view(), {}, "intent", "no intent"),
    ("plannable", app(Model={}), {}, "intent", "no intent"),
    ("plannable", view(intent={"tags": {}}), {}, "intent", "no kind that is known"),
    ("endpoint-budget", endpoint(budget={"usd_per_month": 998}), {}, "intent.budget", "$998.64"),
    ("endpoint-budget", endpoint(), {"max_usd_per_month": 998}, "intent", "$998.64"),
    ("endpoint-budget", endpoint(cloud="modal"), {"max_usd_per_month": 1176}, "intent", "$1,176.90"),
    ("endpoint-budget", endpoint(traffic=BUSY), {"max_usd_per_month": 500}, "intent", "at the high end"),
    ("cold-start-slo", endpoint(slo={"cold_start_p95_s": 57}), {}, "intent.slo", "57.2 s at p95"),
    ("cold-start-slo", endpoint(), {"max_p95_s": 57}, "intent", "over 57 s"),
    ("cold-start-slo", endpoint(cloud="modal"), {"max_p95_s": 17}, "intent", "17.4 s"),
    ("cold-start-slo", endpoint(fast_boot=True), {"max_p95_s": 20}, "intent", "when FlashBoot misses"),
    ("wait-slo", endpoint(traffic=BUSY, slo={"wait_p95_s": 1}), {}, "intent.slo", "at p95"),
    ("wait-slo", endpoint(traffic=BUSY, slo={"wait_p99_s": 1}), {}, "intent.slo", "at p99"),
    ("wait-slo", endpoint(traffic=BUSY), {"max_p95_s": 40}, "intent.slo", "over 40 s"),
    ("wait-slo", endpoint(slo={"wait_p95_s": 100}), {}, "intent.traffic", "nothing is known of its traffic"),
    ("scale-to-zero-slo", endpoint(slo={"cold_start_p95_s": 23}), {}, "intent.workers.min", "23.9 s"),
    ("idle-window", endpoint(traffic=BUSY, idle_timeout_s=23), {}, "intent.idle_timeout_s", "23 s idle"),
    ("always-on", endpoint(traffic=BUSY, workers={"min": 1, "max": 2}), {}, "intent.workers.min", "2.8%"),
    ("vram-fit", endpoint(llm=LLAMA), {}, "intent.gpu", "36.2 GB"),
    ("vram-fit", endpoint(sizes={"weights_bytes": 30 * 10**9}), {}, "intent.gpu", "33.5 GB"),
    ("gpu-allow-list", view(gpu=H200), {"classes": ["L4"]}, "gpu.pools[0]", "H200"),
    (
        "gpu-allow-list",
        view(gpu={"pools": ["AMPERE_24"], "excludedTypes": L4["excludedTypes"][1:]}),
        {"classes": ["L4"]},
        "gpu.pools[0]",
        "A5000",
    ),
    ("gpu-allow-list", app(M={"gpu": ["L4", "H100:2"]}), {"classes": ["L4"]}, "classes.M.gpu[1]", "H100"),
    ("gpu-allow-list", view(MODAL, functions={"f": {"gpu": ["T4"]}}), {"classes": ["L4"]}, "f.gpu[0]", "T4"),
    ("gpu-allow-list", view(POD, **POD_L4), {"classes": ["H100"]}, "gpu.id", "L4"),
    ("gpu-allow-list", view(gpu={"pools": ["NOVEL_9"]}), {"classes": ["L4"]}, "gpu.pools[0]", "NOVEL_9"),
    ("gpu-allow-list", view(gpu=L4), {"classes": ["L5"]}, "", "L5"),
    ("gpu-allow-list", view(gpu=L4), {"classes": []}, "gpu.pools[0]", "L4 is not allowed"),
    ("worker-quota", view(workers={"max": 6}), {}, "workers.max", "up to 6 workers"),
    ("worker-quota", view(workers={"max": 3}), {"runpod": 2}, "workers.max", "may have 2"),
    ("worker-quota", app(M={"maxContainers": 9}), {"modal": 8}, "classes.M.maxContainers", "up to 9"),
    (
        "volume-place",
        view(gpu=L4, networkVolumes=["v1"], networkVolumeDataCenters=["EU-RO-1"]),
        {"gpus": {"EU-RO-1": ["H100"]}},
        "dataCenterIds",
        "EU-RO-1, which has no L4",
    ),
    (
        "volume-place",
        view(POD, networkVolumeDataCenter="EU-RO-1", **POD_L4),
        {"gpus": {"EU-RO-1": []}},
        "dataCenterIds",
        "it has no GPU",
    ),
    ("regions", view(dataCenterIds=["US-KS-2"]), {"runpod": ["EU-"]}, "dataCenterIds[0]", "US-KS-2"),
    ("regions", view(dataCenterIds=["EU-RO-10"]), {"runpod": ["EU-RO-1"]}, "dataCenterIds[0]", "EU-RO-10"),
    ("regions", view(), {"runpod": ["EU"]}, "dataCenterIds", "anywhere"),
    ("regions", view(POD), {"runpod": ["EU"]}, "dataCenterIds", "anywhere"),
    ("regions", view(VOLUME, dataCenter="US-KS-2"), {"runpod": ["EU"]}, "dataCenter[0]", "US-KS-2"),
    ("regions", view(networkVolumeDataCenters=["US-KS-2"]), {"runpod": ["EU"]}, "dataCenterIds[0]", "US-KS"),
    ("regions", app(M={"regions": ["eu", "us-east"]}), {"modal": ["eu"]}, "classes.M.regions[1]", "us-east"),
    ("runpod-idle-down", endpoint(traffic=QUIET), {}, "intent.traffic", "7.5 days"),
    ("image-digest", view(image="r/x:latest"), {}, "image", "r/x:latest"),
    ("image-digest", view(image=f"r/x@{DIGEST[:-1]}"), {}, "image", "not pinned"),
    ("image-digest", view(POD, image="r/x"), {}, "image", "r/x"),
    ("image-digest", view(MODAL, image={"registry": "r/x"}), {}, "image.registry", "r/x"),
    ("image-digest", app(M={"image": {"registry": "r/x"}}), {}, "classes.M.image.registry", "r/x"),
    ("weights-format", view(WEIGHTS, source="m", allowPickle=True), {}, "allowPickle", "run any code"),
    ("weights-format", view(WEIGHTS, source="hf://a/b"), {}, "source", "no revision"),
    ("weights-format", view(WEIGHTS, source="hf://a/b@main"), {}, "source", "no revision"),
    ("endpoint-auth", app(M={"web": {"requiresProxyAuth": False}}), {}, "web.requiresProxyAuth", "no key"),
    ("endpoint-auth", app(M={"web": {}}), {}, "classes.M.web.requiresProxyAuth", "no key"),
    ("endpoint-auth", view(MODAL, functions={"f": {"web": {}}}), {}, "functions.f.web", "no key"),
    ("plaintext-secret", view(env={"HF_TOKEN": "x"}), {}, "env.HF_TOKEN", "its name"),
    ("plaintext-secret", view(POD, env={"A": TOKEN}), {}, "env.A", "its value"),
    ("plaintext-secret", view(MODAL, image={"env": {"API_KEY": "x"}}), {}, "image.env.API_KEY", "its name"),
    ("plaintext-secret", app(M={"env": {"API_KEY": "x"}}), {}, "classes.M.env.API_KEY", "its name"),
    ("plaintext-secret", app(M={"image": {"env": {"K": TOKEN}}}), {}, "classes.M.image.env.K", "its value"),
    ("required-tags", endpoint(tags={"owner": "a"}), {"tags": ["owner", "team"]}, "intent.tags", "no team"),
    ("required-tags", endpoint(tags={"owner": ""}), {"tags": ["owner"]}, "intent.tags", "no owner"),
    ("required-tags", app(M={}), {"tags": ["owner"]}, "intent.tags", "no owner"),
    ("endpoint-ceiling", view(gpu=L4, workers={"max": 3}), {"max_usd_per_month": 9}, "workers.max", "$1,497"),
    ("endpoint-ceiling", app(M={"gpu": ["L4"]}), {"max_usd_per_month": 9}, "", "classes.M.maxContainers"),
]

PASSES: list[tuple[str, ResourceView, dict[str, Any]]] = [
    ("plannable", endpoint(), {}),
    ("plannable", view(MODAL, intent={"pipeline": "x"}), {}),
    ("plannable", view(intent={"job": "x"}), {}),
    ("endpoint-budget", endpoint(budget={"usd_per_month": "998.64"}), {}),
    ("endpoint-budget", endpoint(traffic=BUSY), {"max_usd_per_month": 600}),
    ("endpoint-budget", endpoint(), {}),
    ("cold-start-slo", endpoint(slo={"cold_start_p95_s": 58}), {"max_p95_s": 60}),
    ("cold-start-slo", endpoint(slo={"wait_p95_s": 58}), {}),
    ("wait-slo", endpoint(traffic=BUSY, workers={"min": 1, "max": 2}, slo={"wait_p95_s": 1}), {}),
    ("wait-slo", endpoint(slo={"cold_start_p95_s": 1}), {}),
    ("scale-to-zero-slo", endpoint(slo={"cold_start_p95_s": 24}), {}),
    ("scale-to-zero-slo", endpoint(slo={"cold_start_p95_s": 1}, workers={"min": 1, "max": 2}), {}),
    ("idle-window", endpoint(traffic=BUSY, idle_timeout_s=24), {}),
    ("idle-window", endpoint(traffic=BUSY, idle_timeout_s=1, workers={"min": 2, "max": 2}), {}),
    ("always-on", endpoint(traffic=BUSY), {}),
    ("always-on", endpoint(traffic=BUSY, workers={"min": 1, "max": 2}), {"min_utilisation": 0.02}),
    ("vram-fit", endpoint(llm=LLAMA | {"weights": "int4", "context_tokens": 2048}), {}),
    ("vram-fit", endpoint(sizes={"weights_bytes": 10**9}), {}),
    ("gpu-allow-list", view(gpu=L4), {"classes": ["L4"]}),
    ("gpu-allow-list", view(gpu=H200), {}),
    ("gpu-allow-list", view(gpu={"pools": ["ADA_80_PRO"]}), {"classes": ["H100"]}),
    ("gpu-allow-list", view(POD, **POD_L4), {"classes": ["L4"]}),
    ("gpu-allow-list", app(M={"gpu": ["L4:2"]}, N={}), {"classes": ["L4"]}),
    ("worker-quota", view(workers={"max": 5}), {}),
    ("worker-quota", view(workers={"max": 6}), {"runpod": 10}),
    ("worker-quota", app(M={"maxContainers": 900}, N={}), {}),
    ("volume-place", view(gpu=L4, dataCenterIds=["EU-RO-1"]), {"gpus": {"EU-RO-1": []}}),
    (
        "volume-place",
        view(gpu=L4, networkVolumes=["v"], dataCenterIds=["EU-RO-1"]),
        {"gpus": {"EU-RO-1": ["L4"]}},
    ),
    ("regions", view(dataCenterIds=["EU-RO-1"]), {"runpod": ["EU-"]}),
    ("regions", view(dataCenterIds=["EU-RO-1"]), {"runpod": ["EU-RO-1"]}),
    ("regions", view(POD, networkVolumeDataCenter="EU-RO-1"), {"runpod": ["EU"]}),
    ("regions", app(M={"regions": ["eu-west"]}), {"modal": ["eu"]}),
    ("regions", view(dataCenterIds=["US-KS-2"]), {"modal": ["eu"]}),
    ("runpod-idle-down", endpoint(traffic=QUIET, workers={"min": 1, "max": 2}), {}),
    ("runpod-idle-down", endpoint(traffic=BUSY), {}),
    ("runpod-idle-down", endpoint(traffic=QUIET, cloud="modal"), {}),
    ("image-digest", view(image=f"r/x:1@{DIGEST}"), {}),
    ("image-digest", view(MODAL, image={"python": "3.11"}), {}),
    ("image-digest", view("other:index:Thing", image="r/x:latest"), {}),
    ("weights-format", view(WEIGHTS, source="models/x", allowPickle=False), {}),
    (
        "weights-format",
        view(WEIGHTS, source="hf://a/b@" + "0" * 40, allowPickle=True),
        {"allow_pickle": True},
    ),
    ("endpoint-auth", app(M={"web": {"requiresProxyAuth": True}}, N={}), {}),
    ("plaintext-secret", view(env={"HF_TOKEN": "", "MAX_TOKEN": "9", "PUBLIC_KEY": "x", "A": "b"}), {}),
    ("plaintext-secret", view(env={"HF_TOKEN": "{{ RUNPOD_SECRET_hf }}"}), {}),
    ("plaintext-secret", view(env={"HF_TOKEN": UNKNOWN}), {}),
    ("plaintext-secret", view(env={"SORT_KEY": "x"}), {"allow": ["SORT_KEY"]}),
    ("required-tags", endpoint(tags={"owner": "a"}), {"tags": ["owner"]}),
    ("required-tags", view(MODAL, tags={"owner": "a"}), {"tags": ["owner"]}),
    ("required-tags", endpoint(), {}),
    ("endpoint-ceiling", view(gpu=L4, workers={"max": 3}), {}),
]

UNKNOWNS: list[tuple[str, ResourceView, dict[str, Any]]] = [
    ("plannable", view(intent=UNKNOWN), {}),
    ("endpoint-budget", endpoint(gpu=UNKNOWN, budget={"usd_per_month": 1}), {}),
    ("endpoint-budget", endpoint(workers={"min": UNKNOWN, "max": 2}, budget={"usd_per_month": 1}), {}),
    ("endpoint-budget", endpoint(cloud="runpod", budget={"usd_per_month": 1}, traffic=UNKNOWN), {}),
    ("cold-start-slo", endpoint(slo={"cold_start_p95_s": 20}, sizes={"image_bytes": UNKNOWN}), {}),
    ("cold-start-slo", endpoint(slo={"cold_start_p95_s": 90}, sizes=UNKNOWN), {}),
    ("wait-slo", endpoint(slo={"wait_p95_s": 1}, traffic=UNKNOWN), {}),
    ("wait-slo", endpoint(slo={"wait_p95_s": 1}, traffic=BUSY, sizes={"image_bytes": UNKNOWN}), {}),
    ("scale-to-zero-slo", endpoint(slo={"cold_start_p95_s": 1}, sizes={"image_bytes": UNKNOWN}), {}),
    ("idle-window", endpoint(traffic=BUSY, idle_timeout_s=1, sizes={"image_bytes": UNKNOWN}), {}),
    ("vram-fit", endpoint(sizes={"weights_bytes": UNKNOWN}), {}),
    ("gpu-allow-list", view(gpu=UNKNOWN), {"classes": ["L4"]}),
    ("gpu-allow-list", view(gpu={"pools": [UNKNOWN]}), {"classes": ["L4"]}),
    ("gpu-allow-list", app(M={"gpu": UNKNOWN}), {"classes": ["L4"]}),
    ("gpu-allow-list", view(MODAL, classes=UNKNOWN), {"classes": ["L4"]}),
    ("worker-quota", view(workers={"max": UNKNOWN}), {}),
    ("volume-place", view(gpu=L4, networkVolumes=UNKNOWN), {}),
    ("regions", view(dataCenterIds=[UNKNOWN]), {"runpod": ["EU"]}),
    ("image-digest", view(image=UNKNOWN), {}),
    ("weights-format", view(WEIGHTS, source=UNKNOWN), {}),
    ("endpoint-auth", app(M={"web": {"requiresProxyAuth": UNKNOWN}}), {}),
    ("endpoint-auth", app(M={"web": UNKNOWN}), {}),
    ("required-tags", endpoint(tags=UNKNOWN), {"tags": ["owner"]}),
    ("endpoint-ceiling", view(gpu={"pools": UNKNOWN}, workers={"max": 1}), {"max_usd_per_month": 9}),
    ("endpoint-ceiling", view(cpu=[{"vcpuCount": UNKNOWN}], workers={"max": 1}), {"max_usd_per_month": 9}),
    ("endpoint-ceiling", app(M={"maxContainers": UNKNOWN}), {"max_usd_per_month": 9}),
]


@pytest.mark.parametrize(("rule", "resource", "values", "path", "said"), FAILS)
def test_what_breaks_a_rule_is_found_with_place_and_number(
    rule: str, resource: ResourceView, values: dict[str, Any], path: str, said: str
) -> None:
    [finding] = findings(rule, resource, **{"severity": "error"} | values)
    assert path in finding.path
    assert said in finding.message
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize(("rule", "resource", "values"), PASSES)
def test_what_keeps_a_rule_is_left_alone(rule: str, resource: ResourceView, values: dict[str, Any]) -> None:
    assert findings(rule, resource, **values) == []


@pytest.mark.parametrize(("rule", "resource", "values"), UNKNOWNS)
def test_what_a_preview_cannot_know_is_left_to_up(
    rule: str, resource: ResourceView, values: dict[str, Any]
) -> None:
    [finding] = findings(rule, resource, **{"severity": "error"} | values)
    assert finding.severity is Severity.DEFERRED
    assert "up" in finding.message


def test_every_rule_has_both_sides() -> None:
    assert {row[0] for row in FAILS} == {row[0] for row in PASSES} == set(RULES)


@pytest.mark.parametrize("rule", sorted({row[0] for row in FAILS}))
def test_a_fix_is_named(rule: str) -> None:
    for id, resource, values, *_ in FAILS:
        if id == rule:
            [finding] = findings(rule, resource, **values)
            assert finding.fix, finding


def test_a_cold_start_that_is_too_long_whatever_the_image_fails_in_the_preview() -> None:
    slow = endpoint(slo={"cold_start_p95_s": 1}, sizes={"image_bytes": UNKNOWN})
    [finding] = findings("cold-start-slo", slow)
    assert finding.severity is Severity.ERROR


def test_all_cost_rules_hold_for_a_budget_that_no_traffic_can_cross() -> None:
    assert findings("endpoint-budget", endpoint(traffic=UNKNOWN, budget={"usd_per_month": 999})) == []
