"""How fast a language model answers on a card: a roofline with measured weights.

Fitted to 1,495 measured rows (InferenceX runs of March and April 2026 as shipped with aiconfigurator-core 0.12:
Llama-8B and 70B, Qwen3-32B, gpt-oss-120b on H100, H200, B200, GB200): time between tokens within 22 % on average,
17.8 % in the median; a card left out of the fit within 22 to 32 % (GB200 64 %). Cards without any row there: 35 %. One
measured point calibrates it (`LlmSpec.measured`). Nothing is claimed of the time to the first token under load.
"""

from dataclasses import dataclass

from infra.catalog import Catalog, Hardware
from infra.spec.model_facts import LlmSpec

BYTES = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.56}
_MEMORY, _COMPUTE, _PREFILL, _LAYER_S = 0.483, 2.30, 1.48, 0.0985e-3
_PREFILL_UTILISATION = 0.5
_ERROR_MEASURED, _ERROR_MODELLED = 0.25, 0.35
_ERROR_CALIBRATED = 0.15


@dataclass(frozen=True)
class Speed:
    """`request_s`: one request alone on a worker; `rates[n-1]`: speed of each of n that share it, relative to that.
    `error`: how far off it may be, as a share."""

    request_s: float
    token_s: float
    rates: tuple[float, ...]
    error: float


def llm_speed(llm: LlmSpec, gpu: str, count: int, concurrency: int, catalog: Catalog) -> Speed | None:
    """None for a class whose bandwidth and compute are not in the catalog."""
    card = catalog.hardware(gpu)
    if card is None:
        return None
    factor, error = _calibration(llm, catalog), _ERROR_MEASURED if card.measured else _ERROR_MODELLED
    if factor is not None:
        error = min(error, _ERROR_CALIBRATED if llm.measured and llm.measured.gpu == gpu else error)
    scale = factor or 1.0
    together = [_request_s(llm, card, count, batch, scale) for batch in range(1, concurrency + 1)]
    return Speed(
        request_s=together[0],
        token_s=_token_s(llm, card, count, 1) * scale,
        rates=tuple(together[0] / seconds for seconds in together),
        error=error,
    )


def request_s(
    llm: LlmSpec, card: Hardware, count: int, scale: float, input_tokens: float, output_tokens: float
) -> float:
    """One request of these sizes, alone on a worker."""
    return _prefill_s(llm, card, count, input_tokens) + output_tokens * _token_s(llm, card, count, 1) * scale


def calibration(llm: LlmSpec, catalog: Catalog) -> float:
    """Measured over modelled, at the measured point; 1 where nobody measured."""
    return _calibration(llm, catalog) or 1.0


def _calibration(llm: LlmSpec, catalog: Catalog) -> float | None:
    if llm.measured is None:
        return None
    card = catalog.hardware(llm.measured.gpu)
    if card is None:
        return None
    return llm.measured.seconds_per_token / _token_s(llm, card, 1, llm.measured.batch)


def _request_s(llm: LlmSpec, card: Hardware, count: int, batch: int, scale: float) -> float:
    prefill = _prefill_s(llm, card, count, llm.input_tokens)
    return prefill + llm.output_tokens * _token_s(llm, card, count, batch) * scale


def _prefill_s(llm: LlmSpec, card: Hardware, count: int, tokens: float) -> float:
    return 2 * _active(llm) * tokens / (count * _flops(llm, card) * _PREFILL_UTILISATION)


def _token_s(llm: LlmSpec, card: Hardware, count: int, batch: int) -> float:
    """Between two tokens of each of `batch` requests."""
    total, active = llm.params_b * 1e9, _active(llm)
    touched = total * (1 - (1 - active / total) ** batch) if active < total else total
    kv_bytes = batch * kv_bytes_per_token(llm) * (llm.input_tokens + llm.output_tokens / 2)
    memory = (touched * BYTES[llm.weights] + kv_bytes) / (count * card.bandwidth_gb_s * 1e9)
    flops = count * _flops(llm, card)
    compute = 2 * active * batch / flops
    # each step, batch / output_tokens requests begin, and the others wait for their input to be read
    prefill = 2 * active * llm.input_tokens * batch / llm.output_tokens / flops
    return _MEMORY * memory + _COMPUTE * compute + _PREFILL * prefill + _LAYER_S * llm.layers


def kv_bytes_per_token(llm: LlmSpec) -> float:
    """Keys and values of all layers for one token."""
    return 2 * llm.layers * llm.kv_heads * llm.head_dim * BYTES[llm.kv_cache]


def _active(llm: LlmSpec) -> float:
    return (llm.active_params_b or llm.params_b) * 1e9


def _flops(llm: LlmSpec, card: Hardware) -> float:
    fast = llm.weights == "fp8" and card.fp8_tflops > 0
    return (card.fp8_tflops if fast else card.bf16_tflops) * 1e12
