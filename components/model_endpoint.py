"""`ModelEndpoint`: one declaration of a model endpoint, for whichever cloud runs it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pulumi

from components import stack_budget
from components._base import explained, given, token, understood, with_overrides
from components.image_registry import ImageRegistry
from components.modal_mapping import to_modal
from components.model_image import ModelImage
from components.model_pipeline import ModelPipeline
from components.model_secret import ModelSecret
from components.model_volume import ModelVolume, misplaced
from components.on_modal import deploy_on_modal
from components.on_runpod import deploy_on_runpod
from components.placement import placed
from components.plans import endpoint_plan
from components.runpod_mapping import to_runpod
from components.staged_weights import StagedWeights
from infra.catalog import PriceMissing, UnknownGpu, load
from infra.spec.declarations import (
    Auth,
    Budget,
    Cloud,
    CpuSpec,
    EndpointKind,
    EndpointSpec,
    LlmSpec,
    Questions,
    Scaler,
    SecretRef,
    Sizes,
    Slo,
    SpecError,
    Traffic,
    VolumeMount,
    Workers,
    parse,
)


class ModelEndpoint(pulumi.ComponentResource):
    """A model endpoint. Every field means the same on each cloud, or is refused there with the reason.

    `env` may hold secrets (`pulumi.Output.secret`, `config.require_secret`): they stay secret in state and output.
    The stack's settings go over the program's: `pilotlight:endpoints: {<name>: {workers: {max: 1}}}`.
    """

    url: pulumi.Output[str]

    @understood
    def __init__(
        self,
        name: str,
        *,
        image: ModelImage | pulumi.Input[str],
        cloud: Cloud | str | None = None,
        kind: EndpointKind | str | None = None,
        weights: StagedWeights | None = None,
        gpu: str | Sequence[str] | None = None,
        gpu_count: int | None = None,
        cpu: CpuSpec | None = None,
        workers: Workers | Literal["auto"] | None = None,
        idle_timeout_s: int | None = None,
        concurrency: int | None = None,
        scaler: Scaler | None = None,
        fast_boot: bool | None = None,
        timeout_s: int | None = None,
        regions: Sequence[str] | None = None,
        volumes: Sequence[VolumeMount | ModelVolume] | None = None,
        secrets: Sequence[SecretRef | ModelSecret] | None = None,
        registry: ImageRegistry | str | None = None,
        env: Mapping[str, pulumi.Input[str]] | None = None,
        auth: Auth | str | None = None,
        disk_gib: int | None = None,
        traffic: Traffic | None = None,
        slo: Slo | None = None,
        budget: Budget | None = None,
        llm: LlmSpec | None = None,
        sizes: Sizes | None = None,
        questions: Questions | None = None,
        tags: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ModelEndpoint"), name, None, opts)
        values = given(
            cloud=cloud,
            kind=kind,
            gpu=list(gpu) if gpu is not None and not isinstance(gpu, str) else gpu,
            gpu_count=gpu_count,
            cpu=cpu,
            workers=workers,
            idle_timeout_s=idle_timeout_s,
            concurrency=concurrency,
            scaler=scaler,
            fast_boot=fast_boot,
            timeout_s=timeout_s,
            regions=None if regions is None else list(regions),
            volumes=None if volumes is None else list(volumes),
            secrets=None if secrets is None else list(secrets),
            registry=registry,
            auth=auth,
            disk_gib=disk_gib,
            traffic=traffic,
            slo=slo,
            budget=budget,
            llm=llm,
            sizes=sizes,
            questions=questions,
            tags=None if tags is None else dict(tags),
        )
        with explained():
            self.spec = _declared(name, values)
            try:
                self.plan = endpoint_plan(name, self.spec)
            except (UnknownGpu, PriceMissing):
                # most likely the cloud has no such card, which is told at its property, with all else that is wrong
                _refuse(name, self.spec)
                raise
            stack_budget.count(name, self.plan)
            deployed = _DEPLOY[self.spec.cloud](self, name, self.spec, image, weights, dict(env or {}))
        self.name = name
        self.weights = weights
        self.image, self.url = deployed.image, deployed.url
        self.resource = deployed.resource
        self.register_outputs({"url": self.url, "plan": self.plan})

    def summary(self) -> dict[str, Any]:
        """The endpoint's entry in the stack output `endpoints`."""
        return {
            "cloud": self.spec.cloud.value,
            "kind": self.spec.kind.value,
            "url": self.url,
            "image": self.image,
            "weights": self.weights.uri if self.weights else None,
            "plan": self.plan,
        }


def export_endpoints(*endpoints: ModelEndpoint | ModelPipeline) -> None:
    """Export the stack output `endpoints: {name: {cloud, kind, url, image, weights, plan}}`, pipelines included."""
    pulumi.export("endpoints", {endpoint.name: endpoint.summary() for endpoint in endpoints})


def _declared(name: str, values: dict[str, Any]) -> EndpointSpec:
    spec = parse(EndpointSpec, with_overrides("endpoints", name, values), subject=f"endpoint {name!r}")
    spec = placed(name, spec)
    problems = list(misplaced(spec.volumes, spec.cloud))
    if problems:
        raise SpecError(f"endpoint {name!r}", problems)
    return spec


def _refuse(name: str, spec: EndpointSpec) -> None:
    """Raises `SpecError` with every reason why the cloud cannot run it, if there is one. Registers nothing."""
    _, problems = (to_modal if spec.cloud is Cloud.MODAL else to_runpod)(spec, load())
    if problems:
        raise SpecError(f"endpoint {name!r} on {_NAMES[spec.cloud]}", problems)


_NAMES = {Cloud.RUNPOD: "RunPod", Cloud.MODAL: "Modal"}
_DEPLOY = {Cloud.RUNPOD: deploy_on_runpod, Cloud.MODAL: deploy_on_modal}
