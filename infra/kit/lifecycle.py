"""Create, read, update and delete around a resource's own methods: adoption, marks, time limits, stops, leftovers."""

import asyncio
import contextlib
import os
import sys
import traceback
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from infra.kit.context import Cancelled, Clock, Context, Subject
from infra.kit.diff import changed, diff
from infra.kit.engine import Engine
from infra.kit.mark import Entry, Mark, base_hash, generation
from infra.kit.model import Model, specs
from infra.kit.resource import InitFailed, InTheWay, NotFound, Resource
from infra.kit.session import Session
from infra.kit.state import (
    UNFINISHED,
    inputs_from_state,
    load_inputs,
    load_state,
    outputs_of,
    silently_updated,
)
from infra.kit.wire import Tree
from infra.spec.errors import PilotlightError

T = TypeVar("T")
STOP_GRACE_S = 5.0
"""How long a stopped create may still take to learn its id, or any other call to come back."""


@dataclass
class Lifecycle:
    """One request on one resource."""

    resource: Resource[Any, Any, Any]
    session: Session
    engine: Engine
    subject: Subject
    client: Any
    timeout: float
    cancelled: asyncio.Event
    clock: Clock

    @property
    def urn(self) -> str:
        return self.subject.urn

    async def create(self, inputs: Tree) -> tuple[str, Tree]:
        """Adopt what carries our mark, else make it. Returns the id and the outputs."""
        entry = Entry.of(inputs) or self._entry(inputs)
        new = load_inputs(self.resource.Inputs, inputs)
        base = base_hash(self.resource.Inputs, inputs)
        line = self.session.begin(self.urn, entry, str(base), self._names(new))
        ctx = self._context(entry.mark)
        try:
            id, state = await self._guarded(self._adopt_or_create(ctx, new), ctx)
        except InitFailed as failed:
            self.session.made(self.urn, entry, line, failed.id)
            raise
        except Exception as error:
            if ctx.created_id is None:
                raise
            self.session.made(self.urn, entry, line, ctx.created_id)
            raise InitFailed(ctx.created_id, ctx.created_state, [self._reason(error)]) from error
        self.session.made(self.urn, entry, line, id)
        await self._sweep(entry.mark, inputs)
        return id, outputs_of(self.resource.State, state, inputs)

    async def read(self, id: str, outputs: Tree, inputs: Tree) -> tuple[str, Tree, Tree]:
        """Id ("" = gone), outputs and inputs as the cloud has them."""
        entry = Entry.of(inputs)
        old = load_state(self.resource.State, inputs, outputs) if outputs or inputs else None
        ctx = self._context(entry.mark if entry else self._spare_mark())
        self.session.seen(self.urn, inputs, id)
        try:
            state = await self._guarded(self.resource.read(ctx, id, old), ctx)
        except NotFound:
            state = None
        if state is None:
            return "", {}, {}
        read = inputs_from_state(self.resource.Inputs, state, inputs)
        return id, outputs_of(self.resource.State, state, read), read

    async def update(
        self, id: str, outputs: Tree, old_inputs: Tree, inputs: Tree, ignored: tuple[str, ...]
    ) -> Tree:
        self.session.seen(self.urn, old_inputs, id)
        entry = Entry.of(inputs) or Entry.of(old_inputs)
        mark = entry.mark if entry else self._spare_mark()
        old = load_state(self.resource.State, old_inputs, outputs)
        differences = diff(self.resource.Inputs, old_inputs, inputs, ignored)
        due = differences or self.session.leftovers(self.urn, mark)
        if due and UNFINISHED not in outputs and all(item.silent for item in differences):
            updated = silently_updated(self.resource.State, old, inputs, changed(differences))
        else:
            ctx = self._context(mark)
            new = load_inputs(self.resource.Inputs, inputs)
            state = await self._guarded(self.resource.update(ctx, id, old, new), ctx)
            updated = outputs_of(self.resource.State, state, inputs)
        await self._sweep(mark, inputs)
        return updated

    async def delete(self, id: str, outputs: Tree, inputs: Tree) -> None:
        if self.session.shared(self.urn, id, inputs):
            self.engine.warn(
                self.urn,
                f"kept {id}: the new resource took over this very object instead of getting one of its own, because "
                "nothing here told the replacement from a repeated creation. To replace it, run the command again.",
            )
            return
        entry = Entry.of(inputs)
        ctx = self._context(entry.mark if entry else self._spare_mark())
        old = load_state(self.resource.State, inputs, outputs)
        with contextlib.suppress(NotFound):
            await self._guarded(self.resource.delete(ctx, id, old), ctx)
        self.session.gone(self.urn, self.subject.type, id, inputs)

    async def _adopt_or_create(self, ctx: Context[Any], new: Model) -> tuple[str, Model]:
        try:
            found = await self.resource.find(ctx, new)
            if found is not None and (self.subject.type, found) not in self.session.deleted:
                ctx.created(found)
                old = await self.resource.read(ctx, found, None)
                if old is not None:
                    return found, await self.resource.update(ctx, found, old, new)
            made = await self.resource.create(ctx, new)
        except InTheWay as foreign:
            raise self._in_the_way(foreign) from foreign
        ctx.created(made.id, made.state)
        return made.id, made.state

    def _in_the_way(self, foreign: InTheWay) -> PilotlightError:
        if self.session.is_live(self.urn, foreign.id):
            return PilotlightError(
                f"{foreign.what} exists already: it is the one to be replaced",
                wanted="a free place for the new one",
                fix="set the resource option delete_before_replace, or give the new one another name",
            )
        command = f"pulumi import {self.subject.type} {self.subject.name} {foreign.id}"
        return PilotlightError(
            f"{foreign.what} exists already and is not managed by this resource",
            wanted="a free place, or an object that carries this resource's mark",
            fix=f"choose another name, or take it over with `{command}`",
        )

    async def _sweep(self, mark: Mark, inputs: Tree) -> None:
        """Remove what an interrupted replacement left behind. Never fails the request."""
        for line in self.session.leftovers(self.urn, mark):
            stale = Mark.parse(line.mark)
            if stale is None:
                continue
            ctx = self._context(stale)
            try:
                new = load_inputs(self.resource.Inputs, inputs)
                found = await self._guarded(self.resource.find(ctx, new), ctx)
                if found is not None:
                    old = await self._guarded(self.resource.read(ctx, found, None), ctx)
                    if old is not None:
                        await self._guarded(self.resource.discard(ctx, found, old), ctx)
                        self.engine.warn(self.urn, f"removed {found}, left behind by an interrupted run")
            except (InTheWay, NotFound):
                pass
            except Exception as error:
                self.engine.warn(
                    self.urn, f"could not remove what an interrupted run left: {self._reason(error)}"
                )
                continue
            self.session.journal.drop(stale.urn_hash, line.mark)
            self.session.write()

    async def _guarded(self, work: Awaitable[T], ctx: Context[Any]) -> T:
        """Within the time limit, and ended by a stop: at once if the id is known, else when it is or after a grace."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self.cancelled.wait())
        try:
            await asyncio.wait({task, stop}, timeout=ctx.remaining(), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            stopped = stop.done()
            if stopped:
                known = asyncio.ensure_future(ctx.has_id.wait())
                await asyncio.wait({task, known}, timeout=STOP_GRACE_S, return_when=asyncio.FIRST_COMPLETED)
                known.cancel()
                if not task.done():
                    await asyncio.wait({task}, timeout=0.05)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            stop.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)
        if task.done() and not task.cancelled():
            return task.result()
        if stopped:
            raise Cancelled
        raise PilotlightError(
            f"not finished after {self.timeout:g} s",
            wanted="to be ready within the time limit",
            fix="run `pulumi up` again, or raise the limit with the resource option customTimeouts",
        )

    def _context(self, mark: Mark) -> Context[Any]:
        return Context(
            self.subject,
            self.session.root,
            self.engine,
            client=self.client,
            mark=mark,
            timeout=self.timeout,
            cancelled=self.cancelled,
            clock=self.clock,
        )

    def _entry(self, inputs: Tree) -> Entry:
        entry = self.session.choose(self.urn, self.resource.Inputs, inputs, os.urandom(16))
        assert isinstance(entry, Entry)
        return entry

    def _spare_mark(self) -> Mark:
        """For an object that has no mark of ours (imported): the first one that it would have."""
        return generation(self.session.instance, self.urn, "", 0)

    def _names(self, new: Model) -> dict[str, str]:
        return {
            spec.wire: str(getattr(new, spec.name))
            for spec in specs(self.resource.Inputs)
            if spec.meta.auto_name
        }

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, PilotlightError):
            return str(error)
        if os.environ.get("PILOTLIGHT_DEBUG"):
            traceback.print_exception(error, file=sys.stderr)
        return f"{type(error).__name__}: {error}"
