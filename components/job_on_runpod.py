"""A training job on RunPod: a pod that runs the function to its end, and stops itself."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from components.job import JobDeployed
from components.model_image import ModelImage
from components.model_volume import ModelVolume, misplaced
from components.on_runpod import secret_environment
from components.refusals import refused
from components.runpod_pod import hardware, misplaced_regions, network_volume
from infra.catalog import load
from infra.runpod.sdk import Pod
from infra.spec.declarations import Cloud, JobSpec, SpecError, VolumeMount, wire
from infra.spec.parsing import Problem


def deploy_job_on_runpod(
    parent: pulumi.Resource,
    name: str,
    spec: JobSpec,
    image: ModelImage,
    checkpoints: ModelVolume | str | None,
    env: Mapping[str, pulumi.Input[str]],
) -> JobDeployed:
    """Register the pod under `parent`. Raises `SpecError` with every reason why RunPod cannot run it."""
    catalog = load()
    machine, problems = hardware(spec.gpu, spec.gpu_count, spec.cpu, catalog)
    mounts = _mounts(spec, checkpoints)
    storage, wrong = network_volume(mounts, catalog)
    problems += [*wrong, *misplaced(mounts, Cloud.RUNPOD), *misplaced_regions(spec.regions, mounts)]
    problems += _refusals(spec, mounts)
    if problems:
        raise SpecError(f"job {name!r} on RunPod", problems)
    if not mounts:
        storage = {"volume": {"size_gb": spec.checkpoint_gib, "path": spec.checkpoint_path}}
    pod = Pod(
        name,
        image=image.job_ref(spec.entry),
        args=spec.entry,
        desired_state="ONCE",
        wait_for_state=False,  # a training run takes longer than anyone waits at a prompt
        env={**_environment(spec, mounts), **secret_environment(spec.secrets), **env},
        disk=spec.disk_gib,
        data_center_ids=list(spec.regions) or None,
        intent={"job": name, **wire(spec)},
        opts=pulumi.ResourceOptions(parent=parent),
        **machine,
        **storage,
    )
    where: Any = mounts[0].reference if mounts else pod.id
    return JobDeployed(pod, {"pod": pod.id, "run": spec.run}, where)


def _mounts(spec: JobSpec, checkpoints: ModelVolume | str | None) -> list[VolumeMount]:
    """The volumes, that for checkpoints at its own path."""
    if checkpoints is None:
        return list(spec.volumes)
    return [VolumeMount(volume=checkpoints, path=spec.checkpoint_path), *spec.volumes]


def _environment(spec: JobSpec, mounts: list[VolumeMount]) -> dict[str, str]:
    return {
        "PILOTLIGHT_CHECKPOINTS": mounts[0].path if mounts else spec.checkpoint_path,
        "PILOTLIGHT_JOB_RUN": spec.run,
        "PILOTLIGHT_JOB_ARGUMENTS": json.dumps(spec.arguments, sort_keys=True),
        "PILOTLIGHT_JOB_RETRIES": str(spec.retries),
        "PILOTLIGHT_JOB_TIMEOUT_S": str(spec.timeout_s),
    }


def _refusals(spec: JobSpec, mounts: list[VolumeMount]) -> Iterator[Problem]:
    if spec.tags:
        yield from refused(load(), "runpod", "tags", "jobs:tags")
    if not mounts and not spec.gpu:
        yield Problem(
            "volumes", "a CPU pod has no disk of its own for checkpoints. Fix: volumes=[ModelVolume(…)]"
        )
    if mounts and "checkpoint_gib" in spec.model_fields_set:
        yield Problem("checkpoint_gib", "given beside a volume, which holds the checkpoints. Fix: remove it")
    if mounts and "checkpoint_path" in spec.model_fields_set and mounts[0].path != spec.checkpoint_path:
        yield Problem(
            "checkpoint_path",
            f"found {spec.checkpoint_path!r}, and the one volume of the pod is at {mounts[0].path}. Fix: pass the "
            "volume as checkpoints, or remove checkpoint_path",
        )
    try:
        json.dumps(spec.arguments)
    except (TypeError, ValueError) as error:
        yield Problem("arguments", f"not JSON: {error}. Wanted: numbers, texts, lists and mappings")
