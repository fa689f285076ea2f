"""A training job on Modal: one function of an app, and a Volume for its checkpoints."""

from collections.abc import Iterator, Mapping

import pulumi

from components.job import JobDeployed
from components.modal_machine import environment, image_of, settings
from components.model_image import ModelImage
from components.model_volume import ModelVolume, misplaced
from components.refusals import refused
from infra.catalog import load
from infra.modal.sdk import App
from infra.spec.declarations import DeclaredVolume, JobSpec, SpecError, VolumeMount, wire
from infra.spec.parsing import Problem


def deploy_job_on_modal(
    parent: pulumi.Resource,
    name: str,
    spec: JobSpec,
    image: ModelImage,
    checkpoints: ModelVolume | str | None,
    env: Mapping[str, pulumi.Input[str]],
) -> JobDeployed:
    """Register the app under `parent`. Raises `SpecError` with every reason why Modal cannot run it."""
    chain = image_of(image)
    function, wrong = settings(spec, load())
    problems = [*wrong, *_refusals(spec)]
    if isinstance(checkpoints, DeclaredVolume):
        problems += misplaced([VolumeMount(volume=checkpoints)], spec.cloud, "checkpoints")
    if problems:
        raise SpecError(f"job {name!r} on Modal", problems)
    child = pulumi.ResourceOptions(parent=parent)
    volume = checkpoints if checkpoints is not None else ModelVolume(f"{name}-checkpoints", opts=child)
    path = spec.checkpoint_path
    mount = VolumeMount(volume=volume, path=path)
    plain, hidden = environment(parent, name, env)
    function["volumes"][path] = {"name": mount.reference}
    function["secrets"] += hidden
    if spec.disk_gib is not None:
        function["ephemeral_disk_mib"] = spec.disk_gib * 1024
    # a fresh container for each attempt: what a failure left in a GPU's memory does not fail the next
    function |= {"max_containers": 1, "single_use_containers": True, "regions": list(spec.regions)}
    app = App(
        name,
        source=image.spec.handler,
        image=chain,
        env={**plain, "PILOTLIGHT_CHECKPOINTS": path, "PILOTLIGHT_CHECKPOINT_VOLUME": mount.reference},
        functions={spec.function: function},
        tags=spec.tags,
        intent={"job": name, **wire(spec)},
        opts=child,
    )
    return JobDeployed(app, {"app": app.name, "function": spec.function}, mount.reference)


def _refusals(spec: JobSpec) -> Iterator[Problem]:
    for field, feature in (
        ("arguments", "jobs:arguments"),
        ("run", "jobs:arguments"),
        ("checkpoint_gib", "jobs:own_disk"),
    ):
        if field in spec.model_fields_set:
            yield from refused(load(), "modal", field, feature)
