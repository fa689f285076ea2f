"""Whether a resource is what its intent says: a plan of something smaller than what is deployed would prove nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from policies.rules.reading import NotKnownYet, classes_of, gpu_classes, known, parts, workers
from policies.rules.rule import MODAL_APP
from policies.rules.subject import Subject

if TYPE_CHECKING:
    from infra.planning.request import PlanRequest


def disagreement(subject: Subject, request: "PlanRequest") -> str | None:
    """The first way in which the resource costs more than the plan of its intent would say; None where there is none.

    What a preview cannot know yet is compared at `up`.
    """
    for compare in (_workers, _gpus, _idle):
        try:
            for said in compare(subject, request):
                return said
        except NotKnownYet:
            continue
    return None


def _workers(subject: Subject, request: "PlanRequest") -> Iterator[str]:
    claimed = request.workers
    if claimed == "auto":
        return
    found = list(workers(subject))
    for what, most, limit in (
        ("at least", sum(fewest for _, fewest, _ in found), claimed.min),
        ("up to", sum(most or 0 for _, _, most in found), claimed.max),
    ):
        if most > limit:
            yield f"intent speaks of {what} {limit} workers, and the resource has {what} {most}"
    for path, _, bound in found:
        if bound is None:
            yield f"intent speaks of up to {claimed.max} workers, and nothing bounds {path}"


def _gpus(subject: Subject, request: "PlanRequest") -> Iterator[str]:
    if request.gpu == "auto":
        return
    catalog = subject.context.catalog
    claimed = {one for name in request.gpu or () for one in classes_of(catalog, name)}
    for path, name in gpu_classes(subject):
        if name not in claimed:
            yield f"intent speaks of {' or '.join(sorted(claimed)) or 'no GPU'}, and {path} takes {name}"
    count = max(_counts(subject), default=0)
    if count > request.gpu_count:
        yield f"intent speaks of {request.gpu_count} cards for a worker, and the resource takes {count}"


def _counts(subject: Subject) -> Iterator[int]:
    if subject.type != MODAL_APP:
        gpu = known(subject.inputs.get("gpu"))
        if gpu:
            yield int(known(gpu.get("count")) or 1)
        return
    for part in parts(subject):
        for gpu in known(part.inputs.get("gpu")) or ():
            yield int(str(known(gpu)).partition(":")[2] or 1)


def _idle(subject: Subject, request: "PlanRequest") -> Iterator[str]:
    for part in parts(subject):
        holder, name = (
            (part.inputs, "scaledownWindowS")
            if subject.type == MODAL_APP
            else (known(part.inputs.get("workers")) or {}, "idleTimeout")
        )
        kept = known(holder.get(name))
        if kept is not None and kept > request.idle_timeout_s:
            yield (
                f"intent speaks of an idle timeout of {request.idle_timeout_s} s, and {part.path}{name} is {kept:g} s"
            )
