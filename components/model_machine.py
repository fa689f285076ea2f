"""`ModelMachine`: a machine rented by the hour, beside what scales to zero."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components import stack_budget
from components._base import explained, given, token, understood, with_overrides
from components.image_registry import ImageRegistry
from components.model_secret import ModelSecret
from components.model_volume import ModelVolume, misplaced
from components.on_runpod import secret_environment
from components.refusals import refused
from components.runpod_pod import hardware, misplaced_regions, network_volume
from infra.catalog import PriceMissing, load
from infra.planning.cost import monthly_range
from infra.spec.declarations import (
    Cloud,
    CpuSpec,
    SecretRef,
    SpecError,
    VolumeMount,
    parse,
    registry_on,
    wire,
)
from infra.spec.parsing import Problem
from infra.spec.rented import RentedMachineSpec

_DISK = "/workspace"


class ModelMachine(pulumi.ComponentResource):
    """A machine (a Pod of RunPod) with a network volume that endpoints mount, too: train here, serve there.

        data = ModelVolume("data", size_gib=200, regions=["EU-RO-1"])
        ModelMachine("lab", image="runpod/pytorch@sha256:…", gpu="A100-80GB", volumes=[data], ports=["8888/http"], ssh=True)

    It is billed for as long as it runs; `running=False` stops it.
    """

    addresses: pulumi.Output[Mapping[str, str]]
    ssh: pulumi.Output[str | None]

    @understood
    def __init__(
        self,
        name: str,
        *,
        image: pulumi.Input[str],
        cloud: Cloud | str | None = None,
        args: str | None = None,
        gpu: str | None = None,
        gpu_count: int | None = None,
        cpu: CpuSpec | None = None,
        running: bool | None = None,
        community: bool | None = None,
        disk_gib: int | None = None,
        volume_gib: int | None = None,
        volumes: Sequence[VolumeMount | ModelVolume] | None = None,
        ports: Sequence[str] | None = None,
        ssh: bool | None = None,
        regions: Sequence[str] | None = None,
        secrets: Sequence[SecretRef | ModelSecret] | None = None,
        registry: ImageRegistry | str | None = None,
        env: Mapping[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ModelMachine"), name, None, opts)
        values = given(
            cloud=cloud,
            image=image if isinstance(image, str) else "known at up",
            args=args,
            gpu=gpu,
            gpu_count=gpu_count,
            cpu=cpu,
            running=running,
            community=community,
            disk_gib=disk_gib,
            volume_gib=volume_gib,
            volumes=None if volumes is None else list(volumes),
            ports=None if ports is None else list(ports),
            ssh=ssh,
            regions=None if regions is None else list(regions),
            secrets=None if secrets is None else list(secrets),
            registry=registry,
        )
        with explained():
            subject = f"machine {name!r}"
            self.spec = parse(RentedMachineSpec, with_overrides("machines", name, values), subject=subject)
            arguments = _mapped(self.spec, subject)
            self.plan = _plan(self.spec)
            stack_budget.count(name, self.plan)
        from infra.runpod.sdk import Pod

        pod = Pod(
            name,
            image=image,
            env={**secret_environment(self.spec.secrets), **dict(env or {})},
            intent={"machine": name, **wire(self.spec)},
            opts=pulumi.ResourceOptions(parent=self),
            **arguments,
        )
        self.resource = pod
        self.addresses, self.ssh = pod.addresses, pod.ssh
        self.register_outputs({"addresses": self.addresses, "plan": self.plan})


def _mapped(spec: RentedMachineSpec, subject: str) -> dict[str, Any]:
    catalog = load()
    if spec.cloud is not Cloud.RUNPOD:
        problems = [*refused(catalog, spec.cloud.value, "cloud", "pods")] if spec.cloud is Cloud.MODAL else []
        raise SpecError(subject, problems or [Problem("cloud", 'found "auto". Wanted: "runpod"')])
    machine, problems = hardware([spec.gpu] if spec.gpu else [], spec.gpu_count, spec.cpu, catalog)
    storage, wrong = network_volume(spec.volumes, catalog)
    problems += [
        *wrong,
        *misplaced(spec.volumes, spec.cloud),
        *misplaced_regions(spec.regions, spec.volumes),
    ]
    if spec.volume_gib is not None and not spec.gpu:
        problems.append(
            Problem("volume_gib", "a CPU pod has no disk of its own. Fix: volumes=[ModelVolume(…)]")
        )
    if problems:
        raise SpecError(subject, problems)
    if spec.volume_gib is not None:
        storage = {"volume": {"size_gb": spec.volume_gib, "path": _DISK}}
    return {
        **machine,
        **storage,
        "args": spec.args or None,
        "desired_state": "RUNNING" if spec.running else "STOPPED",
        "cloud": "COMMUNITY" if spec.community else "SECURE",
        "disk": spec.disk_gib,
        "ports": spec.ports or None,
        "start_ssh": spec.ssh,
        "data_center_ids": spec.regions or None,
        "registry_id": None if spec.registry is None else registry_on(Cloud.RUNPOD, spec.registry),
    }


def _plan(spec: RentedMachineSpec) -> dict[str, Any]:
    """A machine costs the same whatever it does: floor and ceiling are one. None where a price is missing."""
    catalog = load()
    book = catalog.prices()
    kind = "pod_community" if spec.community else "pod_secure"
    try:
        if spec.gpu:
            hourly = book.usd_per_gpu_hour("runpod", catalog.gpu(spec.gpu).name, kind) * spec.gpu_count
        else:
            hourly = book.usd_per_vcpu_hour("runpod", kind) * (spec.cpu or CpuSpec()).vcpu
    except PriceMissing as error:
        return {"usdPerMonth": None, "priceBook": book.name, "gpu": spec.gpu, "missing": error.what}
    machines = 1 if spec.running else 0
    cost = monthly_range(usd_per_worker_hour=hourly, workers_min=machines, workers_max=machines)
    usd = {"floor": str(cost.floor), "ceiling": str(cost.ceiling)}
    return {"usdPerMonth": usd, "priceBook": book.name, "gpu": spec.gpu}
