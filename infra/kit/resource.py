"""What a resource is: two models and five methods. Everything else is derived from them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from infra.kit.model import Model
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.kit.context import CheckContext, Context, InvokeContext

C = TypeVar("C")
I = TypeVar("I", bound=Model)  # noqa: E741
S = TypeVar("S", bound=Model)


@dataclass
class Created(Generic[S]):
    id: str
    state: S


class Failure(NamedTuple):
    """Why an input is refused. `path` is in wire form, such as `workers.max`; "" means the whole resource."""

    path: str
    reason: str


class InitFailed(PilotlightError):
    """The object exists in the cloud but is not ready: kept in state with its id; the next `up` calls update."""

    def __init__(self, id: str, state: Model | None, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.id = id
        self.state = state
        self.reasons = list(reasons)


class InTheWay(PilotlightError):
    """A foreign object has our place: `id` is what `pulumi import` would take, `what` names it for the user."""

    def __init__(self, id: str, what: str) -> None:
        super().__init__(what)
        self.id = id


class NotFound(PilotlightError):
    """The object is gone. In delete that is success, in read the same as returning None."""


class Resource(ABC, Generic[C, I, S]):
    """One kind of object in a cloud. `C` is the client that `Provider.connect` makes, once per process."""

    Inputs: ClassVar[type[Model]]
    State: ClassVar[type[Model]]  # a subclass of Inputs that adds the outputs

    reads_disk: ClassVar[bool] = False
    """Whether `computed` reads files, and so runs in a thread."""
    create_timeout_s: ClassVar[float] = 600.0
    update_timeout_s: ClassVar[float] = 600.0
    delete_timeout_s: ClassVar[float] = 300.0
    read_timeout_s: ClassVar[float] = 60.0

    def check(self, ctx: "CheckContext", inputs: I) -> list[Failure]:
        """What the types cannot say: rules across fields. Unknown values are `UNKNOWN`, see `ctx.known`."""
        return []

    def computed(self, ctx: "CheckContext", inputs: I) -> dict[str, Any]:
        """Values of the `computed` fields (snake_case), from the local disk only."""
        return {}

    def preview(self, ctx: "CheckContext", inputs: I, old: S | None) -> dict[str, Any]:
        """Outputs (snake_case) that are known before the call, so that dependents see them in a preview."""
        return {}

    @abstractmethod
    async def find(self, ctx: "Context[C]", inputs: I) -> str | None:
        """Id of the object that carries exactly `str(ctx.mark)`; `InTheWay` for a foreign one in its place."""

    @abstractmethod
    async def create(self, ctx: "Context[C]", inputs: I) -> Created[S]:
        """Make it, with `str(ctx.mark)` in the cloud; call `ctx.created(id)` as soon as the id is known."""

    @abstractmethod
    async def read(self, ctx: "Context[C]", id: str, old: S | None) -> S | None:
        """The object as it is in the cloud, None if gone. `old` is None in an import."""

    @abstractmethod
    async def update(self, ctx: "Context[C]", id: str, old: S, new: I) -> S:
        """Bring it to `new`, and finish what a failed create left undone (then without a difference)."""

    @abstractmethod
    async def delete(self, ctx: "Context[C]", id: str, old: S) -> None:
        """Remove it. What is gone already counts as removed."""

    async def discard(self, ctx: "Context[C]", id: str, old: S) -> None:
        """Remove what an interrupted creation left, which nobody has used yet."""
        await self.delete(ctx, id, old)


class Function(ABC, Generic[C]):
    """A data function (`pulumi.runtime.invoke`): reads, never writes."""

    Args: ClassVar[type[Model]]
    Result: ClassVar[type[Model]]
    desc: ClassVar[str] = ""

    @abstractmethod
    async def call(self, ctx: "InvokeContext[C]", args: Any) -> Model: ...
