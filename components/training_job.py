"""`TrainingJob`: a function that trains, started by hand, and goes on from its last checkpoint."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pulumi

from components._base import explained, given, token, with_overrides
from components.modal_machine import environment, image_of, not_modal, settings
from components.model_image import ModelImage
from components.model_volume import ModelVolume, misplaced
from components.worker_price import usd_per_container_hour
from infra.catalog import load
from infra.modal.sdk import App
from infra.spec.declarations import (
    Cloud,
    CpuSpec,
    DeclaredVolume,
    JobSpec,
    SecretRef,
    SpecError,
    VolumeMount,
    parse,
    wire,
)

_ELSEWHERE = "training on a Pod of RunPod comes with a later version"
_CENT = Decimal("0.01")


class TrainingJob(pulumi.ComponentResource):
    """One function, and a volume for its checkpoints: `checkpoints`, or one of its own.

    Nothing runs until it is started: `modal.Function.from_name(<app_name>, <function>).spawn(…)`. The code finds the
    checkpoints' directory in PILOTLIGHT_CHECKPOINTS and the volume's name in PILOTLIGHT_CHECKPOINT_VOLUME. An attempt that
    fails or times out is followed by another, up to `retries`, which finds the files of the one before. There is one
    container at most, because two would write the same checkpoints.
    """

    app_name: pulumi.Output[str]
    volume_name: pulumi.Input[str]

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
        volumes: Sequence[VolumeMount] | None = None,
        secrets: Sequence[SecretRef] | None = None,
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
            volumes=None if volumes is None else list(volumes),
            secrets=None if secrets is None else list(secrets),
            tags=None if tags is None else dict(tags),
        )
        with explained():
            subject = f"job {name!r}"
            self.spec = parse(JobSpec, with_overrides("jobs", name, values), subject=subject)
            function, chain = _mapped(self.spec, image, checkpoints, subject)
            self.plan = _plan(self.spec)
        path = self.spec.checkpoint_path
        child = pulumi.ResourceOptions(parent=self)
        volume = checkpoints if checkpoints is not None else ModelVolume(f"{name}-checkpoints", opts=child)
        mount = VolumeMount(volume=volume, path=path)
        plain, hidden = environment(self, name, env or {})
        function["volumes"][path] = {"name": mount.reference}
        function["secrets"] += hidden
        app = App(
            name,
            source=image.spec.handler,
            image=chain,
            env={
                **plain,
                "PILOTLIGHT_CHECKPOINTS": path,
                "PILOTLIGHT_CHECKPOINT_VOLUME": mount.reference,
            },
            functions={self.spec.function: function},
            tags=self.spec.tags,
            intent={"job": name, **wire(self.spec)},
            opts=child,
        )
        self.name = name
        self.resource, self.app_name = app, app.name
        self.function = self.spec.function
        self.volume_name = mount.reference
        self.register_outputs({"appName": self.app_name, "volumeName": self.volume_name, "plan": self.plan})

    def summary(self) -> dict[str, Any]:
        """What is needed to start it and to find what it wrote, for a stack output."""
        return {
            "cloud": self.spec.cloud.value,
            "app": self.app_name,
            "function": self.function,
            "checkpoints": self.volume_name,
            "plan": self.plan,
        }


def _mapped(
    spec: JobSpec, image: ModelImage, checkpoints: ModelVolume | str | None, subject: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The app's function and image. Raises `SpecError` with every reason why Modal cannot run it."""
    chain, problems = image_of(image.spec)
    problems += not_modal(spec.cloud, _ELSEWHERE)
    function, wrong = settings(spec, load())
    problems += wrong
    if isinstance(checkpoints, DeclaredVolume):
        problems += misplaced([VolumeMount(volume=checkpoints)], spec.cloud, "checkpoints")
    if problems:
        raise SpecError(subject, problems)
    # a fresh container for each attempt: what a failure left in a GPU's memory does not fail the next
    return {**function, "max_containers": 1, "single_use_containers": True}, chain


def _plan(spec: JobSpec) -> dict[str, Any]:
    """The most that one start can cost: every attempt to its last second, at the dearest class."""
    catalog = load()
    book = catalog.prices()
    hourly = usd_per_container_hour(spec.gpu, spec.gpu_count, spec.cpu, catalog, book)
    ceiling = (hourly * spec.longest_s / 3600).quantize(_CENT, ROUND_HALF_UP)
    return {"usdPerStart": {"ceiling": str(ceiling)}, "priceBook": book.name, "gpu": spec.gpu}
