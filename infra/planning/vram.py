"""Whether a model fits the memory of the cards that a worker has."""

from infra.catalog import GpuClass
from infra.planning.plan import VramFit
from infra.planning.request import PlanRequest
from infra.planning.speed import BYTES, kv_bytes_per_token

_USABLE = 0.90
"""Of a card's memory: what vLLM takes by default; the rest is the driver's and fragmentation."""
_RESERVE_GB = 3.5
"""Activations, CUDA graphs and the rest ("other_mem" of aiconfigurator 0.12)."""


def vram_fit(request: PlanRequest, gpu: GpuClass) -> VramFit | None:
    """None where neither the language model nor the size of the weights is known."""
    cards = request.gpu_count
    usable = _USABLE * gpu.vram_gib * cards
    if request.llm is None:
        if not isinstance(request.weights_bytes, int) or request.weights_bytes == 0:
            return None
        needed = request.weights_bytes / 1e9 + _RESERVE_GB
        return _verdict(needed, usable, None, f"{needed - _RESERVE_GB:.1f} GB of weights", gpu, cards)
    llm = request.llm
    weights = llm.params_b * BYTES[llm.weights]
    sequence = kv_bytes_per_token(llm) * llm.context_tokens / 1e9
    free = usable - weights - _RESERVE_GB * cards
    most = max(0, int(free / sequence))
    needed = weights + _RESERVE_GB * cards + request.concurrency * sequence
    what = (
        f"{weights:.1f} GB of weights and {request.concurrency} x {sequence:.1f} GB of KV cache "
        f"({llm.context_tokens} tokens)"
    )
    return _verdict(needed, usable, most, what, gpu, cards)


def _verdict(needed: float, usable: float, most: int | None, what: str, gpu: GpuClass, cards: int) -> VramFit:
    fits = needed <= usable
    have = f"{cards} x {gpu.name}" if cards > 1 else gpu.name
    reason = "" if fits else f"{what} need {needed:.1f} GB; {have} leaves {usable:.1f} GB"
    return VramFit(fits, round(needed, 2), round(usable, 2), most, reason)
