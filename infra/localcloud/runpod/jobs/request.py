"""What a client asks for with /run and /runsync."""

from dataclasses import dataclass
from typing import Any

from infra.localcloud.runpod.jobs.wire import parse_json
from infra.spec.errors import PilotlightError

TIMEOUT_MS = (5_000, 7 * 24 * 3_600_000)
TTL_MS = (10_000, 7 * 24 * 3_600_000)


class BadRequest(PilotlightError):
    """The body is not a job."""


@dataclass(frozen=True)
class JobRequest:
    input: Any
    webhook: str | None = None
    timeout_s: float | None = None
    ttl_s: float | None = None
    low_priority: bool = False


def parse(body: bytes) -> JobRequest:
    """The JSON of a job. Raises BadRequest. `s3Config` is taken and has no meaning here."""
    try:
        data = parse_json(body)
    except ValueError as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(data, dict) or "input" not in data:
        raise BadRequest('the body has no "input"', wanted='{"input": …}')
    webhook = data.get("webhook")
    if webhook is not None and not (isinstance(webhook, str) and webhook.startswith(("http://", "https://"))):
        raise BadRequest("webhook is not an http(s) address")
    policy = data.get("policy") or {}
    if not isinstance(policy, dict):
        raise BadRequest("policy is not an object")
    return JobRequest(
        data["input"],
        webhook,
        _seconds(policy, "executionTimeout", TIMEOUT_MS),
        _seconds(policy, "ttl", TTL_MS),
        bool(policy.get("lowPriority", False)),
    )


def _seconds(policy: dict[str, Any], name: str, bounds: tuple[int, int]) -> float | None:
    value = policy.get(name)
    if value is None:
        return None
    low, high = bounds
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise BadRequest(f"policy.{name} is {value!r}", wanted=f"milliseconds from {low} to {high}")
    return float(value) / 1000
