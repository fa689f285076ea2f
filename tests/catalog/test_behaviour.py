"""How cards and clouds behave: every figure with its source, none out of place."""

from datetime import date

import pytest

from infra.catalog import load

catalog = load()


def test_cards_are_known_by_any_of_their_names() -> None:
    l4 = catalog.hardware("L4")
    assert l4 is not None
    assert (l4.bandwidth_gb_s, l4.bf16_tflops) == (300, 121)
    assert catalog.hardware("A10") == catalog.hardware("A10G")
    assert catalog.hardware("RTX-2000-Ada") is None


def test_cards_have_figures_of_a_likely_size() -> None:
    cards = [card for name in catalog.gpus if (card := catalog.hardware(name)) is not None]
    assert len(cards) >= 18
    for card in cards:
        assert 100 < card.bandwidth_gb_s < 10_000, card
        assert card.fp8_tflops == 0 or card.fp8_tflops >= 1.9 * card.bf16_tflops, card


@pytest.mark.parametrize("cloud", ["modal", "runpod"])
def test_each_cloud_has_all_phases_with_a_slow_end(cloud: str) -> None:
    for phase in ("acquire", "image", "weights", "load", "load_cpu", "load_llm"):
        fact = catalog.cold_start(cloud, phase)
        assert fact is not None
        assert fact.source
        assert date.fromisoformat(fact.date) <= date(2026, 11, 24)
        if fact.p50_s is not None:
            assert fact.p95_s is not None
            assert 0 < fact.p50_s <= fact.p95_s
        else:
            assert fact.p50_gb_per_s is not None
            assert fact.p95_gb_per_s is not None
            assert fact.p50_gb_per_s >= fact.p95_gb_per_s > 0
    assert (catalog.cold_start(cloud, "flashboot") is None) == (cloud == "modal")
    assert (catalog.cold_start(cloud, "snapshot") is None) == (cloud == "runpod")


def test_the_guides_ranges_are_kept() -> None:
    seen = {(row["cloud"], row["what"]): row["range_s"] for row in catalog.observed_cold_starts}
    assert seen[("runpod", "Llama 3 8B")] == [15, 45]
    assert seen[("modal", "Stable Diffusion")] == [0.8, 2.0]


def test_scaler_defaults_lie_within_the_limits() -> None:
    for cloud, facts in catalog.scaler_defaults.items():
        limit = catalog.limit(cloud, "idle_timeout_s")
        assert facts["idle_timeout_range_s"] == [limit.min, limit.max]
        assert limit.allows(facts["idle_timeout_s"])


def test_other_places_have_no_price_that_nobody_read() -> None:
    assert {other.name for other in catalog.alternatives} >= {"Baseten", "Replicate", "Lambda Labs"}
    assert all(other.usd_per_gpu_hour is None for other in catalog.alternatives)
