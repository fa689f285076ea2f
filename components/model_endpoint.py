"""`ModelEndpoint`: one declaration of a model endpoint, for whichever cloud runs it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pulumi

from components._base import explained, given, token, with_overrides
from components.model_image import ModelImage
from components.runpod_mapping import environment, to_runpod
from components.staged_weights import StagedWeights
from infra.catalog import load
from infra.planning import monthly_range
from infra.runpod.sdk import Endpoint
from infra.spec.declarations import (
    Auth,
    Budget,
    Cloud,
    CpuSpec,
    EndpointKind,
    EndpointSpec,
    Scaler,
    SecretRef,
    Slo,
    SpecError,
    Traffic,
    VolumeMount,
    Workers,
    parse,
    wire,
)
from infra.spec.parsing import Problem


class ModelEndpoint(pulumi.ComponentResource):
    """A model endpoint. Every field means the same on each cloud, or is refused there with the reason.

    `env` may hold secrets (`pulumi.Output.secret`, `config.require_secret`): they stay secret in state and output.
    The stack's settings go over the program's: `pilotlight:endpoints: {<name>: {workers: {max: 1}}}`.
    """

    url: pulumi.Output[str]

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
        volumes: Sequence[VolumeMount] | None = None,
        secrets: Sequence[SecretRef] | None = None,
        env: Mapping[str, pulumi.Input[str]] | None = None,
        auth: Auth | str | None = None,
        disk_gib: int | None = None,
        traffic: Traffic | None = None,
        slo: Slo | None = None,
        budget: Budget | None = None,
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
            auth=auth,
            disk_gib=disk_gib,
            traffic=traffic,
            slo=slo,
            budget=budget,
            tags=None if tags is None else dict(tags),
        )
        with explained():
            self.spec = _declared(name, values)
            arguments = _runpod_arguments(name, self.spec)
        self.name = name
        self.image: pulumi.Input[str] = image.ref if isinstance(image, ModelImage) else image
        self.weights = weights
        self.endpoint = Endpoint(
            name,
            image=self.image,
            env={**environment(self.spec), **(weights.worker_env if weights else {}), **(env or {})},
            intent={"endpoint": name, **wire(self.spec)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[weights] if weights else None),
            **arguments,
        )
        self.url = self.endpoint.url
        self.plan = _plan(self.spec)
        self.register_outputs({"url": self.url, "plan": self.plan})

    def summary(self) -> dict[str, Any]:
        """The endpoint's entry in the stack output `endpoints`."""
        return {
            "cloud": Cloud.RUNPOD.value,
            "kind": self.spec.kind.value,
            "url": self.url,
            "image": self.image,
            "weights": self.weights.uri if self.weights else None,
            "plan": self.plan,
        }


def export_endpoints(*endpoints: ModelEndpoint) -> None:
    """Export the stack output `endpoints: {name: {cloud, kind, url, image, weights, plan}}`."""
    pulumi.export("endpoints", {endpoint.name: endpoint.summary() for endpoint in endpoints})


def _declared(name: str, values: dict[str, Any]) -> EndpointSpec:
    spec = parse(EndpointSpec, with_overrides("endpoints", name, values), subject=f"endpoint {name!r}")
    if spec.cloud is not Cloud.RUNPOD:
        message = f'found "{spec.cloud.value}". Wanted: "runpod", the cloud that this version deploys to'
        raise SpecError(f"endpoint {name!r}", [Problem("cloud", message)])
    return spec


def _runpod_arguments(name: str, spec: EndpointSpec) -> dict[str, Any]:
    arguments, problems = to_runpod(spec, load())
    if problems:
        raise SpecError(f"endpoint {name!r} on RunPod", problems)
    return arguments


def _plan(spec: EndpointSpec) -> dict[str, Any]:
    """What the endpoint can cost a month: the floor and the ceiling, at the dearest class it accepts."""
    book = load().prices()
    workers = spec.workers if isinstance(spec.workers, Workers) else Workers()
    if isinstance(spec.gpu, list):
        hourly = max(book.usd_per_gpu_hour("runpod", name) for name in spec.gpu) * spec.gpu_count
    else:
        hourly = book.usd_per_vcpu_hour("runpod") * (spec.cpu or CpuSpec()).vcpu
    cost = monthly_range(usd_per_worker_hour=hourly, workers_min=workers.min, workers_max=workers.max)
    return {
        "usdPerMonth": {"floor": str(cost.floor), "ceiling": str(cost.ceiling)},
        "priceBook": book.name,
        "gpu": spec.gpu,
    }
