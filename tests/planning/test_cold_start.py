"""Cold starts by phase, memory and speed: against sums by hand and what others measured."""

from dataclasses import replace

import pytest

from infra.catalog import load
from infra.planning.cold_start import phases_of, total
from infra.planning.plan import Phase
from infra.planning.request import PlanRequest
from infra.planning.speed import kv_bytes_per_token, llm_speed
from infra.planning.vram import vram_fit
from infra.spec.declarations import LlmSpec, MeasuredSpeed
from infra.spec.findings import UNKNOWN

catalog = load()
LLAMA = LlmSpec(params_b=8.03, layers=32, kv_heads=8)
SMALL = PlanRequest("a", image_bytes=15_000_000_000, weights_bytes=2_000_000_000)


def test_bytes_become_seconds_where_the_cloud_copies_them() -> None:
    phases = {phase.name: phase for phase in phases_of(SMALL, "runpod", "L4", catalog).full}
    assert list(phases) == ["acquire", "image", "weights", "load"]
    # 15 GB at 0.5 and 0.167 GB/s: the guide's 30 to 90 s
    assert phases["image"].p50 == 30
    assert phases["image"].p95 == pytest.approx(90, rel=0.01)
    lazy = {phase.name: phase for phase in phases_of(SMALL, "modal", "L4", catalog).full}
    assert lazy["image"].p95 <= 2


def test_a_sum_is_slower_than_its_parts_but_not_by_all_their_bad_luck() -> None:
    middle, slow = total((Phase("a", 10, 20), Phase("b", 10, 20), Phase("c", 10, 20)))
    assert 30 < middle < 35
    assert 40 < slow < 60
    assert total((Phase("a", 10, 20),)) == pytest.approx((10, 20))
    assert total(()) == (0.0, 0.0)


def test_flashboot_is_a_mixture_that_is_also_judged_at_no_hit() -> None:
    phases = phases_of(replace(SMALL, fast_boot=True), "runpod", "L4", catalog)
    estimate, worst = phases.cold_start(worst=False), phases.cold_start(worst=True)
    assert (estimate.hit_rate, worst.hit_rate) == (0.5, 0.0)
    assert estimate.p50 < worst.p50
    assert estimate.p95 < worst.p95
    fast = [boot.seconds for boot in phases.boots(worst=False) if boot.seconds < 4]
    assert len(fast) / len(phases.boots(worst=False)) == pytest.approx(0.5, abs=0.02)
    assert all(boot.seconds > 4 for boot in phases.boots(worst=True))


def test_a_snapshot_shortens_what_runs_in_the_container() -> None:
    plain = phases_of(SMALL, "modal", "L4", catalog).cold_start(worst=True)
    fast = phases_of(replace(SMALL, fast_boot=True), "modal", "L4", catalog).cold_start(worst=True)
    assert fast.p50 < 0.6 * plain.p50
    assert fast.hit_rate is None


def test_only_what_runs_is_billed() -> None:
    boots = phases_of(SMALL, "runpod", "L4", catalog).boots(worst=True)
    # 31 of 43 s are the machine and the image
    assert all(0.6 < boot.unbilled / boot.seconds < 0.8 for boot in boots)


@pytest.mark.parametrize("size", [UNKNOWN, None])
def test_sizes_that_are_not_known_are_assumed_and_said(size: object) -> None:
    phases = phases_of(replace(SMALL, image_bytes=size), "runpod", "L4", catalog)  # type: ignore[arg-type]
    assert phases.missing == ("sizes.image_bytes",)
    assert "8 GB assumed" in phases.notes[0]
    assert ("known at `up`" in phases.notes[0]) == (size is UNKNOWN)


def test_what_others_saw_lies_in_reach() -> None:
    seen = {(row["cloud"], row["what"]): row["range_s"] for row in catalog.observed_cold_starts}
    vllm = PlanRequest(
        "a", image_bytes=10_000_000_000, weights_bytes=16_000_000_000, llm=LLAMA, fast_boot=True
    )
    low, high = seen[("modal", "vLLM with a memory snapshot")]
    found = phases_of(vllm, "modal", "H100", catalog).cold_start(worst=True)
    assert found.p50 <= low <= high <= found.p95  # means of two engines
    diffusion = PlanRequest("a", image_bytes=5_000_000_000, weights_bytes=500_000_000)
    low, high = seen[("runpod", "Stable Diffusion")]
    assert low <= phases_of(diffusion, "runpod", "A100-80GB", catalog).cold_start(worst=True).p50 <= high


@pytest.mark.parametrize(("gpu", "fits"), [("L4", True), ("RTX-A4000", False), ("H100", True)])
def test_llama_8b_needs_a_24_gb_card(gpu: str, fits: bool) -> None:
    found = vram_fit(PlanRequest("a", llm=LLAMA), catalog.gpu(gpu))
    assert found is not None
    assert found.fits is fits
    if not fits:
        assert "16.1 GB of weights" in found.reason


def test_memory_by_hand() -> None:
    # published: Llama-3.1-8B keeps 128 KiB a token
    assert kv_bytes_per_token(LLAMA) == 128 * 1024
    found = vram_fit(PlanRequest("a", llm=LLAMA), catalog.gpu("L4"))
    assert found is not None
    # 0.9 x 24 - 16.06 - 3.5 = 2.04 GB for sequences of 8192 x 131072 B = 1.07 GB
    assert found.max_sequences == 1
    assert vram_fit(PlanRequest("a", llm=LLAMA, concurrency=2), catalog.gpu("L4")).fits is False  # type: ignore[union-attr]
    assert vram_fit(PlanRequest("a", llm=LLAMA, concurrency=8, gpu_count=2), catalog.gpu("L4")).fits is True  # type: ignore[union-attr]


def test_weights_alone_are_held_against_the_card_too() -> None:
    assert vram_fit(PlanRequest("a", weights_bytes=30_000_000_000), catalog.gpu("L4")).fits is False  # type: ignore[union-attr]
    assert vram_fit(PlanRequest("a", weights_bytes=UNKNOWN), catalog.gpu("L4")) is None


def test_speed_orders_cards_and_slows_with_company() -> None:
    speeds = {gpu: llm_speed(LLAMA, gpu, 1, 8, catalog) for gpu in ("L4", "A100-80GB", "H100", "B200")}
    tokens = [speed.token_s for speed in speeds.values() if speed]
    assert tokens == sorted(tokens, reverse=True)
    rates = speeds["H100"].rates  # type: ignore[union-attr]
    assert rates[0] == 1.0
    assert list(rates) == sorted(rates, reverse=True)
    # batching pays: eight together get far more done than one
    assert 8 * rates[-1] > 4
    assert speeds["L4"].error == 0.35  # type: ignore[union-attr]
    assert speeds["H100"].error == 0.25  # type: ignore[union-attr]
    assert llm_speed(LLAMA, "RTX-2000-Ada", 1, 1, catalog) is None


def test_one_measured_point_calibrates_the_card_it_was_measured_on() -> None:
    measured = LLAMA.model_copy(update={"measured": MeasuredSpeed(gpu="L4", seconds_per_token=0.08)})
    speed = llm_speed(measured, "L4", 1, 1, catalog)
    assert speed is not None
    assert speed.token_s == pytest.approx(0.08)
    assert speed.error == 0.15
