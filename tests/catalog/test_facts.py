"""Capabilities, limits, data centers and flavors: complete, reasoned, dated."""

from datetime import date

import pytest

from infra.catalog import load

catalog = load()

FEATURES = [
    "gpu", "gpu_count", "workers.min", "workers.max", "workers.buffer", "idle_timeout_s", "concurrency", "scaler",
    "fast_boot", "timeout_s", "regions", "volumes", "auth", "image",
]  # fmt: skip


@pytest.mark.parametrize("cloud", ["modal", "runpod"])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_row_of_the_vocabulary_is_answered_for_each_cloud(cloud: str, feature: str) -> None:
    assert catalog.capability(cloud, feature).cloud == cloud


def test_both_clouds_answer_the_same_questions() -> None:
    features: dict[str, set[str]] = {"modal": set(), "runpod": set()}
    for cloud, feature in catalog.capabilities:
        features[cloud].add(feature)
    shared = {f for f in features["modal"] | features["runpod"] if f != "idle_timeout_s:request_count"}
    assert features["modal"] >= shared
    assert features["runpod"] >= shared


def test_what_a_cloud_cannot_do_has_a_reason_and_a_way_out_and_what_it_can_has_its_setting() -> None:
    for capability in catalog.capabilities.values():
        if capability.supported:
            assert capability.how, capability
            assert not capability.reason, capability
        else:
            assert capability.reason, capability
            assert capability.alternative, capability


def test_facts_carry_source_and_date() -> None:
    facts = [*catalog.capabilities.values(), *catalog.limits.values()]
    assert all(fact.source and date.fromisoformat(fact.date) for fact in facts)


def test_runpod_has_no_buffer_of_workers() -> None:
    capability = catalog.capability("runpod", "workers.buffer")
    assert not capability.supported
    assert "buffer" in capability.reason


def test_limits_know_their_range() -> None:
    idle = catalog.limit("runpod", "idle_timeout_s")
    assert [idle.allows(s) for s in (0, 1, 3600, 3601)] == [False, True, True, False]
    assert idle.range == "1 to 3600 s"
    assert catalog.limit("modal", "idle_timeout_s").range == "2 to 3600 s"
    assert catalog.limit("runpod", "queue_delay_s").range == "at least 0.5 s"


def test_flavors_and_data_centers() -> None:
    assert catalog.cpu_flavors["cpu5c"].ram_gib_per_vcpu == 2
    assert catalog.cpu_flavors["cpu3m"].vcpu_max == 32
    assert [dc.id for dc in catalog.data_centers.values() if dc.cpu] == ["EU-RO-1"]
    assert catalog.data_centers["EU-RO-1"].s3
