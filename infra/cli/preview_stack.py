"""One stack's report: the engine, head's program and the base's program at the same time, then put together."""

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Protocol

from infra.cli import preview_engine, preview_side, program
from infra.cli.preview_start import Started
from infra.report.build import stack_report
from infra.report.facts import Declared, Facts, Judged
from infra.report.model import StackReport
from infra.report.redact import secrets_in
from infra.spec.errors import PilotlightError


class Say(Protocol):
    """Tells of progress; what is not `whole` may be left out when there is much of it."""

    def __call__(self, text: str, whole: bool = True) -> None: ...


@dataclass(frozen=True)
class BaseSide:
    """The project as it was, for all stacks. `why`: why it is not there."""

    commit: str
    root: Path | None
    why: str = ""

    def places(self) -> tuple[Path, ...]:
        return () if self.root is None else (self.root,)


@dataclass(frozen=True)
class Made:
    """A report, and values in what was declared that must not be shown."""

    report: StackReport
    secrets: tuple[str, ...]


def make(
    root: Path,
    stack: str,
    base: BaseSide | None,
    planner: preview_side.Planner,
    *,
    head: str,
    begin: Callable[[], Started] | None,
    points: bool,
    progress: Say,
) -> Made:
    """Whatever goes wrong with the program, the engine or the base is in the report. `begin` starts the engine, or hands over
    one that is under way; None = it is not asked."""
    try:
        return _make(root, stack, base, planner, head, begin, points, progress)
    except (PilotlightError, OSError) as error:
        why = str(error).replace("\n", " ")
        facts = Facts(str(program.project(root).get("name")), stack, Declared(why=why), head_commit=head)
        return Made(stack_report(facts), ())


def _make(
    root: Path,
    stack: str,
    base: BaseSide | None,
    planner: preview_side.Planner,
    head: str,
    begin: Callable[[], Started] | None,
    points: bool,
    progress: Say,
) -> Made:
    began = time.monotonic()
    progress("previewing" if begin is not None else "reading declarations")
    name = str(program.project(root).get("name"))

    with ThreadPoolExecutor(max_workers=3) as pool:
        engine = None
        if begin is not None:
            engine = pool.submit(
                preview_engine.preview,
                begin,
                stack,
                lambda count: progress(f"{count} resources", whole=False),
            )
        declaring = pool.submit(_declared, root, stack, planner)
        before = None if base is None else pool.submit(_before, base, stack, planner)
        head_side = declaring.result()
        base_side = None if before is None else before.result()
        previewed = preview_engine.Previewed(
            None, "only declarations are compared, as was asked for (--offline)"
        )
        if engine is not None:
            previewed = engine.result()
    stream = previewed.stream
    live = preview_side.deployed(stream, planner)
    after = preview_side.planned(preview_side.as_engine_sees(head_side, stream), planner, live)
    was = None if base_side is None else preview_side.planned(base_side, planner, {**after.endpoints, **live})
    report = stack_report(
        Facts(
            project=name,
            stack=stack,
            head=after,
            base=was,
            judged=Judged() if after.why else preview_side.judged(root, name, stack, after),
            stream=stream,
            no_engine=previewed.why,
            fresh=previewed.fresh,
            said=previewed.said,
            deployed=live,
            declared={one.urn: one.inputs for one in head_side.resources},
            points={key: planner.points(one.intent) for key, one in after.endpoints.items()}
            if points
            else {},
            book=preview_side.book(),
            head_commit=head,
            base_commit="" if base is None else base.commit,
            versions=_versions(),
            seconds=time.monotonic() - began,
        )
    )
    progress(f"{report.verdict.value} after {report.seconds:.1f} s")
    sides = (after, was) if was is not None else (after,)
    return Made(
        report,
        tuple({one for side in sides for resource in side.resources for one in secrets_in(resource.inputs)}),
    )


def _declared(root: Path, stack: str, planner: preview_side.Planner) -> Declared:
    """While the engine runs, plans are made as far as they can be: most of them are the final ones."""
    found = preview_side.declared(root, stack)
    preview_side.planned(found, planner)
    return found


def secrets_here(root: Path) -> Iterable[str]:
    """Credentials of this process and of this checkout's local cloud."""
    import os

    from infra.report.redact import secrets_of

    yield from secrets_of(os.environ)
    for name in ("cloud.json", "passphrase"):
        try:
            text = (root / ".pilotlight" / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue
        try:
            yield from secrets_in(json.loads(text)) if name.endswith(".json") else [text]
        except ValueError:
            continue


def _before(base: BaseSide, stack: str, planner: preview_side.Planner) -> Declared:
    if base.root is None:
        return Declared(why=base.why)
    if not (base.root / "Pulumi.yaml").is_file():
        return Declared()
    if stack not in program.stacks(base.root):
        return Declared()
    return _declared(base.root, stack, planner)


@cache
def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("pilotlight", "pulumi")}
