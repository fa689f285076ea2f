"""`TrainingJob`: a function that trains, and goes on from its last checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components import job
from components._base import explained, given, token, understood, with_overrides
from components.model_image import ModelImage
from components.model_secret import ModelSecret
from components.model_volume import ModelVolume
from infra.spec.declarations import Cloud, CpuSpec, JobSpec, SecretRef, SpecError, VolumeMount, parse
from infra.spec.parsing import Problem


class TrainingJob(pulumi.ComponentResource):
    """One function, and a volume for its checkpoints: `checkpoints`, or one of its own.

    On Modal nothing runs until it is started: `modal.Function.from_name(<app>, <function>).spawn(…)`. On RunPod a pod runs it,
    once for each `run`, from `pulumi up` until it ends, and stops itself. The code finds the checkpoints' directory in
    PILOTLIGHT_CHECKPOINTS (and on Modal the volume's name in PILOTLIGHT_CHECKPOINT_VOLUME). An attempt that fails or times
    out is followed by another, up to `retries`, which finds the files of the one before. One attempt runs at a time, because
    two would write the same checkpoints.
    """

    checkpoints: pulumi.Input[str]

    @understood
    def __init__(
        self,
        name: str,
        *,
        image: ModelImage,
        entry: str,
        checkpoints: ModelVolume | str | None = None,
        cloud: Cloud | str | None = None,
        gpu: str | Sequence[str] | None = None,
        gpu_count: int | None = None,
        cpu: CpuSpec | None = None,
        timeout_s: int | None = None,
        retries: int | None = None,
        checkpoint_path: str | None = None,
        checkpoint_gib: int | None = None,
        arguments: Mapping[str, Any] | None = None,
        run: str | None = None,
        disk_gib: int | None = None,
        regions: Sequence[str] | None = None,
        volumes: Sequence[VolumeMount | ModelVolume] | None = None,
        secrets: Sequence[SecretRef | ModelSecret] | None = None,
        env: Mapping[str, pulumi.Input[str]] | None = None,
        tags: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("TrainingJob"), name, None, opts)
        values = given(
            cloud=cloud,
            entry=entry,
            gpu=list(gpu) if gpu is not None and not isinstance(gpu, str) else gpu,
            gpu_count=gpu_count,
            cpu=cpu,
            timeout_s=timeout_s,
            retries=retries,
            checkpoint_path=checkpoint_path,
            checkpoint_gib=checkpoint_gib,
            arguments=None if arguments is None else dict(arguments),
            run=run,
            disk_gib=disk_gib,
            regions=None if regions is None else list(regions),
            volumes=None if volumes is None else list(volumes),
            secrets=None if secrets is None else list(secrets),
            tags=None if tags is None else dict(tags),
        )
        with explained():
            subject = f"job {name!r}"
            self.spec = parse(JobSpec, with_overrides("jobs", name, values), subject=subject)
            deploy = _deploy(self.spec.cloud, subject)
            deployed = deploy(self, name, self.spec, image, checkpoints, dict(env or {}))
            self.plan = job.plan(self.spec)
        self.name = name
        self.resource, self.handle = deployed.resource, deployed.handle
        self.checkpoints = deployed.checkpoints
        self.register_outputs({**self.handle, "checkpoints": self.checkpoints, "plan": self.plan})

    def summary(self) -> dict[str, Any]:
        """What is needed to start it or to watch it, and to find what it wrote, for a stack output."""
        return {
            "cloud": self.spec.cloud.value,
            **self.handle,
            "checkpoints": self.checkpoints,
            "plan": self.plan,
        }


def _deploy(cloud: Cloud, subject: str) -> Any:
    if cloud is Cloud.MODAL:
        from components.job_on_modal import deploy_job_on_modal

        return deploy_job_on_modal
    if cloud is Cloud.RUNPOD:
        from components.job_on_runpod import deploy_job_on_runpod

        return deploy_job_on_runpod
    message = f'found "{cloud.value}". Wanted: "modal" or "runpod": a job is not placed'
    raise SpecError(subject, [Problem("cloud", message)])
