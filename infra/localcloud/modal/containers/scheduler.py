"""How many containers a function wants. Pure: Modal's autoscaler, from counts and settings to a number."""

import math
import os
from dataclasses import dataclass

from modal_proto import api_pb2

from infra.localcloud.modal.model import FunctionRecord

SCALEDOWN_S = 60  # Modal's own default
# Modal sets no limit where the function sets none; this machine has one.
CEILING = max(8, 2 * (os.cpu_count() or 1))
HARD_CEILING = 64
# What one more container takes to start here: it is of no use to a queue that will be gone by then.
START_S = 0.5


@dataclass(frozen=True)
class Rules:
    """`per_container`: inputs that one container is meant to have at a time. `maximum` None: not set."""

    minimum: int = 0
    maximum: int | None = None
    buffer: int = 0
    scaledown_s: float = SCALEDOWN_S
    per_container: float = 1


@dataclass(frozen=True)
class Load:
    """`live` are containers that take inputs now or will, `ready` those of them that do now. `pace_s` is what one of
    them has lately needed for an input, 0 if that is not known; `stalled_s` how long none of what waits was taken.
    `blocked` of the running inputs wait for calls of their own, for which there must be room, or they would wait
    forever."""

    queued: int = 0
    running: int = 0
    live: int = 0
    ready: int = 0
    pace_s: float = 0
    stalled_s: float = 0
    blocked: int = 0

    @property
    def quick(self) -> bool:
        """What waits may be done before another container could have started."""
        return self.ready > 0 and self.pace_s > 0 and self.stalled_s < START_S


def rules_of(record: FunctionRecord) -> Rules:
    function, settings = record.function, record.settings
    if holds_port(function):
        # Containers share this machine's ports, so a second one could not listen on the same.
        per_container = function.http_config.target_concurrency or 1000
        return Rules(
            min(1, settings.min_containers), 1, 0, settings.scaledown_window or SCALEDOWN_S, per_container
        )
    target = function.target_concurrent_inputs or function.max_concurrent_inputs or 1
    if settings.HasField("target_concurrency_float"):
        target = max(1, math.floor(settings.target_concurrency_float))
    elif settings.target_concurrency:
        target = settings.target_concurrency
    return Rules(
        minimum=0 if needs_parameters(record) else settings.min_containers,
        maximum=settings.max_containers or None,
        buffer=settings.buffer_containers,
        scaledown_s=settings.scaledown_window or SCALEDOWN_S,
        per_container=target * max(1, function.batch_max_size),
    )


def wanted(rules: Rules, load: Load) -> int:
    """Live containers to have now. Never fewer than there are, unless the maximum says so: idle ones end by time."""
    return min(max(busy(rules, load), load.live), ceiling(rules, load))


def surplus(rules: Rules, load: Load) -> int:
    """How many live containers may end once they have been idle for the scaledown window."""
    return max(0, load.live - min(busy(rules, load), ceiling(rules, load)))


def look_again_s(load: Load) -> float | None:
    """Seconds until the load may ask for more by the passing of time alone."""
    return START_S - load.stalled_s if load.queued and load.quick else None


def busy(rules: Rules, load: Load) -> int:
    """What the load asks for: the buffer comes on top while there is any, and the minimum holds always."""
    needed = math.ceil((load.queued + load.running) / rules.per_container)
    if load.quick:
        needed = min(needed, max(load.ready, int(load.queued * load.pace_s / START_S)))
    return max(needed + (rules.buffer if needed else 0), rules.minimum)


def ceiling(rules: Rules, load: Load) -> int:
    if rules.maximum is not None:
        return max(rules.maximum, rules.minimum)
    return max(rules.minimum, min(CEILING + load.blocked, HARD_CEILING))


def holds_port(function: api_pb2.Function) -> bool:
    """Whether its containers listen on a port of this machine: `@app.server` and `@modal.web_server`."""
    methods = [method.webhook_config for method in function.method_definitions.values()]
    hooks = [function.webhook_config, *methods]
    return function.is_server or any(hook.type == api_pb2.WEBHOOK_TYPE_WEB_SERVER for hook in hooks)


def needs_parameters(record: FunctionRecord) -> bool:
    """A class whose parameters have to be given runs only bound to them."""
    info = record.function.class_parameter_info
    return (
        record.function.is_class and not record.base_id and any(not item.has_default for item in info.schema)
    )
