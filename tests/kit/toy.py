"""A small cloud in memory and one resource on it."""

import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from infra.kit import (
    Change,
    CheckContext,
    Context,
    Created,
    Failure,
    Function,
    InTheWay,
    InvokeContext,
    Model,
    Provider,
    Resource,
    prop,
)
from infra.spec.findings import UNKNOWN, Gate

URN = "urn:pulumi:dev::shop::toy:index:Box::crate"
TYPE = "toy:index:Box"
INSTANCE = "abcdefgh"


class Gpu(Enum):
    """GPU classes."""

    H100 = "H100"
    H200 = "H200"
    L4 = "L4"


class Workers(Model):
    """How many."""

    min: int = prop(0, desc="fewest", ge=0)
    max: int = prop(3, desc="most", ge=1)


class Rule(Model):
    name: str = prop(desc="name of the rule")
    token: str | None = prop(None, desc="its token", secret=True)


class BoxInputs(Model):
    name: str | None = prop(desc="name in the cloud", auto_name=True)
    image: str = prop(desc="what runs")
    region: str = prop("eu", desc="where", change=Change.REPLACE)
    disk_gib: int | None = prop(None, desc="disk", change=Change.REPLACE_DELETE_FIRST)
    gpu: Gpu | None = prop(None, desc="GPU class")
    workers: Workers = prop(default_factory=Workers, desc="workers")
    env: dict[str, str] | None = prop(None, desc="environment")
    rules: list[Rule] | None = prop(None, desc="rules")
    tags: set[str] | None = prop(None, desc="labels, in any order")
    password: str | None = prop(None, desc="password", secret=True, write_only=True)
    flavour: str | None = prop(desc="chosen by the cloud if unset", server_default=True)
    intent: dict[str, Any] | None = prop(None, desc="why", ignore=True)
    content: str | None = prop(desc="hash", computed=True)
    size: int | None = prop(None, desc="old name of diskGib", deprecated="use diskGib")


class BoxState(BoxInputs):
    url: str = prop(desc="where it answers")
    version: int = prop(desc="revision")
    key: str | None = prop(None, desc="its key", secret=True)


@dataclass
class Cloud:
    """Objects by id. `calls` counts; hooks let a test stop, fail or wait in the middle."""

    boxes: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    before_ready: Callable[[Any], Coroutine[Any, Any, None]] | None = None
    before_id: Callable[[Any], Coroutine[Any, Any, None]] | None = None
    on_update: Callable[[Any], Coroutine[Any, Any, None]] | None = None
    on_read: Callable[[Any], Coroutine[Any, Any, None]] | None = None
    on_delete: Callable[[Any], Coroutine[Any, Any, None]] | None = None
    ids: Any = field(default_factory=lambda: itertools.count(1))

    def marked(self, mark: str) -> list[str]:
        return [id for id, box in self.boxes.items() if box["mark"] == mark]


class ToyConfig(Model):
    target: str = prop("cloud", desc="which cloud", change=Change.REPLACE)
    api_key: str | None = prop(None, desc="key", secret=True, env="TOY_API_KEY")
    retries: int = prop(3, desc="retries")
    zones: list[str] | None = prop(None, desc="zones")


class Box(Resource[Cloud, BoxInputs, BoxState]):
    """A box that runs an image."""

    Inputs = BoxInputs
    State = BoxState

    def check(self, ctx: CheckContext, inputs: BoxInputs) -> list[Failure]:
        workers = inputs.workers
        if ctx.known(workers) and ctx.known(workers.min, workers.max) and workers.max < workers.min:
            return [Failure("workers.max", f"is {workers.max}, less than workers.min ({workers.min})")]
        return []

    def computed(self, ctx: CheckContext, inputs: BoxInputs) -> dict[str, Any]:
        return {"content": f"hash-of-{inputs.image}" if ctx.known(inputs.image) else UNKNOWN}

    def preview(self, ctx: CheckContext, inputs: BoxInputs, old: BoxState | None) -> dict[str, Any]:
        return {"url": f"https://{inputs.name}.example"} if ctx.known(inputs.name) else {}

    async def find(self, ctx: Context[Cloud], inputs: BoxInputs) -> str | None:
        ctx.client.calls.append("find")
        found = ctx.client.marked(str(ctx.mark))
        if found:
            return found[0]
        for id, box in ctx.client.boxes.items():
            if box["name"] == inputs.name and not box["mark"].startswith("pl-"):
                raise InTheWay(id, f"a box named {inputs.name!r}")
        return None

    async def create(self, ctx: Context[Cloud], inputs: BoxInputs) -> Created[BoxState]:
        cloud = ctx.client
        cloud.calls.append("create")
        if cloud.before_id:
            await cloud.before_id(ctx)
        id = f"box-{next(cloud.ids)}"
        cloud.boxes[id] = {**_written(inputs), "mark": str(ctx.mark), "version": 1}
        ctx.created(id)
        if cloud.before_ready:
            await cloud.before_ready(ctx)
        return Created(id, _state(cloud.boxes[id]))

    async def read(self, ctx: Context[Cloud], id: str, old: BoxState | None) -> BoxState | None:
        ctx.client.calls.append("read")
        if ctx.client.on_read:
            await ctx.client.on_read(ctx)
        return _state(ctx.client.boxes[id]) if id in ctx.client.boxes else None

    async def update(self, ctx: Context[Cloud], id: str, old: BoxState, new: BoxInputs) -> BoxState:
        ctx.client.calls.append("update")
        if ctx.client.on_update:
            await ctx.client.on_update(ctx)
        box = ctx.client.boxes[id]
        box.update(_written(new))
        box["version"] += 1
        return _state(box)

    async def delete(self, ctx: Context[Cloud], id: str, old: BoxState) -> None:
        ctx.client.calls.append("delete")
        if ctx.client.on_delete:
            await ctx.client.on_delete(ctx)
        ctx.client.boxes.pop(id, None)


def _written(inputs: BoxInputs) -> dict[str, Any]:
    written = inputs.model_dump(by_alias=False)
    written["flavour"] = inputs.flavour or "vanilla"
    return written


def _state(box: dict[str, Any]) -> BoxState:
    fields = {key: value for key, value in box.items() if key not in ("mark", "password", "intent")}
    return BoxState(**fields, url=f"https://{box['name']}.example", key="k-" + box["name"])


class Lookup(Function[Cloud]):
    class Args(Model):
        name: str = prop(desc="name")

    class Result(Model):
        ids: list[str] = prop(desc="ids")
        key: str = prop(desc="key", secret=True)

    desc = "Finds boxes by name."

    async def call(self, ctx: InvokeContext[Cloud], args: Any) -> Model:
        ids = [id for id, box in ctx.client.boxes.items() if box["name"] == args.name]
        return self.Result(ids=ids, key="lookup-key")


def toy(cloud: Cloud, *, gate: Gate | None = None) -> Provider[Cloud]:
    async def connect(config: ToyConfig, ctx: Any) -> Cloud:
        cloud.calls.append("connect")
        return cloud

    return Provider(
        name="toy",
        version="1.2.3",
        description="Boxes.",
        config=ToyConfig,
        resources={"Box": f"{__name__}:Box"},
        invokes={"lookup": f"{__name__}:Lookup"},
        connect=connect,
        gate=gate,
    )
