"""The choice explained in the words of the guide's decision matrix, its questions without numbers included."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, pstdev

from infra.planning.plan import EndpointPlan
from infra.planning.profile import TrafficProfile
from infra.planning.request import PlanRequest
from infra.spec.questions import Questions

_PER_ANSWER = 0.10
"""By how much an answer that speaks for a cloud may outweigh a dearer bill there."""
_ERRATIC_CV = 1.5
_STEADY_UTILISATION = 0.5

# answer -> the cloud it speaks for, and the matrix's words
_MATRIX = {
    "avoid_docker": ("modal", "you want to avoid Docker: choose Modal, standard Python without Dockerfiles"),
    "pipelines": ("modal", "you are building complex pipelines of GPU and CPU tasks: choose Modal"),
    "docker_ci": ("runpod", "you have custom Docker CI/CD: choose RunPod, which runs those exact containers"),
    "machines_beside_serverless": (
        "runpod",
        "you need persistent virtual machines alongside serverless: choose RunPod, a single provider for both",
    ),
}


def favour(plan: EndpointPlan, request: PlanRequest) -> tuple[float, str]:
    """What the choice between clouds goes by: the expected cost, less a tenth for each answer that speaks for it."""
    answers = votes(request.questions)
    ahead = answers.count(plan.cloud) - sum(cloud != plan.cloud for cloud in answers)
    return float(plan.cost.expected or 0) * (1 - _PER_ANSWER * max(0, ahead)), plan.cloud


def votes(questions: Questions) -> list[str]:
    """The clouds that the answers speak for, one each."""
    return [cloud for name, (cloud, _) in _MATRIX.items() if getattr(questions, name)]


def reasons_of(
    request: PlanRequest,
    profile: TrafficProfile,
    chosen: EndpointPlan | None,
    others: Sequence[EndpointPlan],
    always_on: Sequence[EndpointPlan],
    shown: EndpointPlan | None,
) -> tuple[str, ...]:
    said: list[str] = []
    if chosen is None:
        missed = "; ".join(shown.breaches) if shown and shown.breaches else "what was asked for"
        best = f"{shown.cloud} {shown.gpu or 'CPU'}" if shown else "none"
        said.append(f"no candidate holds: the best there is, {best}, misses {missed}")
    else:
        said.append(_costs(chosen, others))
    said.append(_traffic(profile, chosen or shown))
    for name, (cloud, words) in _MATRIX.items():
        if getattr(request.questions, name):
            against = chosen is not None and cloud != chosen.cloud
            said.append(f"{words}{' (outweighed by the cost)' if against else ''}")
    said.extend(_machine(chosen, machine) for machine in always_on)
    return tuple(said)


def _costs(chosen: EndpointPlan, others: Sequence[EndpointPlan]) -> str:
    mine = f"{chosen.cloud} {chosen.gpu or 'CPU'} costs ${chosen.cost.expected:,} a month"
    if not others:
        return f"{mine} and is the only cloud with a candidate that holds"
    other = others[0]
    return f"{mine}, {other.cloud} {other.gpu or 'CPU'} ${other.cost.expected:,}"


def _traffic(profile: TrafficProfile, plan: EndpointPlan | None) -> str:
    gaps = [later - earlier for earlier, later in pairwise(profile.arrivals)]
    mean = fmean(gaps) if gaps else 0.0
    spread = pstdev(gaps) / mean if mean > 0 else 0.0
    used = plan.utilisation if plan is not None and plan.utilisation is not None else 0.0
    if spread > _ERRATIC_CV:
        return f"traffic is highly erratic (gaps vary {spread:.1f} times their mean): scaling to zero pays, which favours short cold starts"
    if used >= _STEADY_UTILISATION:
        return f"traffic is steady and high (workers are {used:.0%} busy): the price of a GPU hour decides"
    return f"traffic is quiet (workers are {used:.0%} busy): what is idle decides, so cold starts and idle timeouts do"


def _machine(chosen: EndpointPlan | None, machine: EndpointPlan) -> str:
    what = {"pod_secure": "always-on RunPod pod", "vm": "always-on machine of a traditional cloud"}[
        machine.kind
    ]
    many = f"{machine.workers.min} x " if machine.workers.min > 1 else ""
    price = f"an {what} ({many}{machine.gpu}) costs ${machine.cost.floor:,} a month"
    if chosen is None or chosen.cost.expected is None:
        return price
    return f"{price}: {'less' if machine.cost.floor < chosen.cost.expected else 'more'} than the choice"
