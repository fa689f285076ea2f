"""What every kind of object of RunPod's shares as a resource: its client, and how long it may take."""

from typing import ClassVar, Generic, TypeVar

from infra.kit import Model, Resource
from infra.runpod.account import Account

I = TypeVar("I", bound=Model)  # noqa: E741
S = TypeVar("S", bound=Model)


class Managed(Resource[Account, I, S], Generic[I, S]):
    """RunPod grants 60 requests a minute, so one among hundreds waits its turn for minutes, and is not late by that.

    A worker or a pod that needs more than seven minutes to start is unhealthy (RUNPOD_INIT_TIMEOUT); twice that is enough.
    """

    create_timeout_s: ClassVar[float] = 900.0
    update_timeout_s: ClassVar[float] = 900.0
    delete_timeout_s: ClassVar[float] = 900.0
    read_timeout_s: ClassVar[float] = 300.0
