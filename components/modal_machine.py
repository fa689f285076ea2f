"""What pipelines and jobs have in common on Modal: a machine's settings, its price, and the environment of its code."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.modal_mapping import (
    cores_and_memory,
    gpu_names,
    image_chain,
    mount_problems,
    mounted,
    secret_refs,
)
from components.model_image import ModelImage
from components.model_volume import misplaced
from infra.catalog import Catalog
from infra.modal.sdk import Secret
from infra.spec.declarations import Cloud, Machine
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
    problems = [
        *wrong,
        *misplaced(machine.volumes, Cloud.MODAL),
        *mount_problems(machine.volumes, catalog),
    ]
    return function, [Problem(f"{path}{problem.path}", problem.message) for problem in problems]


def image_of(image: ModelImage) -> dict[str, Any]:
    """The chain that Modal builds, or the image that it pulls."""
    if image.spec.prebuilt:
        return {"registry": image.packages_ref, "pip": []}
    return image_chain(image.spec)


def environment(
    parent: pulumi.Resource, name: str, env: Mapping[str, pulumi.Input[str]]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """What is known as the program runs, for the image, and a secret for the rest: what comes out of a resource, is secret,
    or has several lines, which no image's environment can hold."""
    plain = {key: value for key, value in env.items() if isinstance(value, str) and "\n" not in value}
    hidden = {key: value for key, value in env.items() if key not in plain}
    if not hidden:
        return plain, []
    secret = Secret(name, values=hidden, opts=pulumi.ResourceOptions(parent=parent))
    return plain, [{"name": secret.name}]
