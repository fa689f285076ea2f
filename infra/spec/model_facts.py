"""What the plan wants to know of a model: how big it is, and of a language model what decides memory and speed."""

from typing import Literal

import pydantic

from infra.spec.base import Spec


class Sizes(Spec):
    """Bytes that a cold worker has to fetch. Unset = not declared: the plan then assumes, and says so."""

    image_bytes: int | None = pydantic.Field(default=None, ge=0)
    """Compressed layers of the image."""
    weights_bytes: int | None = pydantic.Field(default=None, ge=0)


class MeasuredSpeed(Spec):
    """One measured point that the speed model is calibrated by."""

    gpu: str
    """Canonical GPU class."""
    batch: int = pydantic.Field(default=1, ge=1)
    """Requests served at once while measuring."""
    seconds_per_token: float = pydantic.Field(gt=0, allow_inf_nan=False)
    """For each request, between two output tokens."""


class LlmSpec(Spec):
    """A language model: what its config.json says, and the requests that it serves."""

    params_b: float = pydantic.Field(gt=0, allow_inf_nan=False)
    """Parameters, in billions."""
    active_params_b: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)
    """Parameters that one token touches (mixture of experts); unset = all."""
    layers: int = pydantic.Field(ge=1)
    kv_heads: int = pydantic.Field(ge=1)
    head_dim: int = pydantic.Field(default=128, ge=1)
    weights: Literal["bf16", "fp16", "fp8", "int8", "int4"] = "bf16"
    kv_cache: Literal["bf16", "fp8"] = "bf16"
    context_tokens: int = pydantic.Field(default=8192, ge=1)
    """The longest input and output together: what the KV cache of one sequence must hold."""
    input_tokens: float = pydantic.Field(default=1000, ge=1, allow_inf_nan=False)
    """Mean of a request."""
    output_tokens: float = pydantic.Field(default=200, ge=1, allow_inf_nan=False)
    """Mean of an answer."""
    measured: MeasuredSpeed | None = None
