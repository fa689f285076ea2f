"""The base of every declaration, and the closed sets that several of them share."""

from enum import Enum

import pydantic


class Spec(pydantic.BaseModel):
    """A typed, immutable declaration. Unknown fields are refused, so that a typo never passes silently."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Cloud(Enum):
    """Where an endpoint runs. `AUTO` lets the plan choose."""

    MODAL = "modal"
    RUNPOD = "runpod"
    AUTO = "auto"


class EndpointKind(Enum):
    """How requests reach the handler: through the platform's queue, or balanced straight to a worker's server."""

    QUEUE = "queue"
    LOAD_BALANCER = "load_balancer"
