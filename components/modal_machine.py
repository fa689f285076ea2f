"""What pipelines and jobs have in common on Modal: a machine's settings, its price, and the environment of its code."""

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from components.modal_mapping import cores_and_memory, gpu_names, image_chain, mounted, secret_refs
from components.model_volume import misplaced
from infra.catalog import Catalog
from infra.modal.sdk import Secret
from infra.spec.declarations import Cloud, ImageSpec, Machine
from infra.spec.parsing import Problem


def settings(machine: Machine, catalog: Catalog, path: str = "") -> tuple[dict[str, Any], list[Problem]]:
    """The settings of one function of an app, and what stands in the way. `path` is where the machine is declared."""
    gpu, wrong = gpu_names(machine.gpu, machine.gpu_count, catalog)
    function: dict[str, Any] = {
        "entry": machine.entry,
        "gpu": gpu,
        "timeout_s": machine.timeout_s,
        "volumes": mounted(machine.volumes),
        "secrets": secret_refs(machine.secrets),
        **cores_and_memory(machine.cpu),
    }
    if machine.retries:
        function["retries"] = {"max_retries": machine.retries}
    problems = [*wrong, *misplaced(machine.volumes, Cloud.MODAL)]
    return function, [Problem(f"{path}{problem.path}", problem.message) for problem in problems]


def not_modal(cloud: Cloud, what: str) -> Iterator[Problem]:
    """The refusal of a cloud that does not run `what`."""
    if cloud is Cloud.RUNPOD:
        yield Problem("cloud", f'found "runpod". Wanted: "modal"; {what}')
    elif cloud is not Cloud.MODAL:
        yield Problem("cloud", f'found "{cloud.value}". Wanted: "modal"; this version does not place them')


def image_of(spec: ImageSpec) -> tuple[dict[str, Any], list[Problem]]:
    """The chain that Modal builds, and what stands in the way."""
    problems = []
    if isinstance(spec.requirements, str):
        wanted = "Wanted on Modal: a list, or requirements.txt beside the code"
        problems.append(Problem("image.requirements", f"found the file {spec.requirements!r}. {wanted}"))
    return image_chain(spec), problems


def environment(
    parent: pulumi.Resource, name: str, env: Mapping[str, pulumi.Input[str]]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """What is known as the program runs, for the image, and a secret for what comes out of a resource or is secret."""
    plain = {key: value for key, value in env.items() if isinstance(value, str)}
    hidden = {key: value for key, value in env.items() if not isinstance(value, str)}
    if not hidden:
        return plain, []
    secret = Secret(name, values=hidden, opts=pulumi.ResourceOptions(parent=parent))
    return plain, [{"name": secret.name}]
