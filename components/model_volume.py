"""`ModelVolume`: files that outlive workers, and that endpoints, pipelines, jobs and machines mount."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pulumi

from components._base import explained, given, token, understood, with_overrides
from infra.spec.declarations import Cloud, DeclaredVolume, SpecError, VolumeMount, VolumeSpec, parse
from infra.spec.parsing import Problem

_FILE_SYSTEM = 2  # of Modal's two versions the one without a limit on the number of files


class ModelVolume(pulumi.ComponentResource, DeclaredVolume):
    """A volume of Modal, or a network volume of RunPod: that is one with a size and a data center.

        cache = ModelVolume("cache")
        weights = ModelVolume("weights", size_gib=50, regions=["EU-RO-1"])

    It stands for itself in a list of volumes, or goes into `VolumeMount(volume=…)` with a path. One that holds files, or that
    something mounts, is not deleted unless `force_destroy` is set.
    """

    volume_name: pulumi.Output[str]

    @understood
    def __init__(
        self,
        name: str,
        *,
        cloud: Cloud | str | None = None,
        size_gib: int | None = None,
        regions: Sequence[str] | None = None,
        high_performance: bool | None = None,
        volume_name: str | None = None,
        force_destroy: bool | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ModelVolume"), name, None, opts)
        values = given(
            cloud=cloud,
            size_gib=size_gib,
            regions=None if regions is None else list(regions),
            high_performance=high_performance,
            volume_name=volume_name,
            force_destroy=force_destroy,
        )
        with explained():
            spec = parse(VolumeSpec, with_overrides("volumes", name, values), subject=f"volume {name!r}")
            if spec.placed not in _MAKE:
                clouds = " or ".join(f'"{cloud.value}"' for cloud in _MAKE)
                raise SpecError(
                    f"volume {name!r}",
                    [
                        Problem(
                            "cloud", f'found "{spec.placed.value}". Wanted: {clouds}: a volume is not placed'
                        )
                    ],
                )
        self.declared_name = name
        self.cloud = spec.placed
        self.data_center = spec.regions[0] if spec.regions else None
        self.volume_name = _MAKE[self.cloud](name, spec, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"volumeName": self.volume_name})


def _on_modal(name: str, spec: VolumeSpec, opts: pulumi.ResourceOptions) -> Any:
    from infra.modal.sdk import Volume

    return Volume(
        name, name=spec.volume_name, version=_FILE_SYSTEM, force_destroy=spec.force_destroy, opts=opts
    ).name


def _on_runpod(name: str, spec: VolumeSpec, opts: pulumi.ResourceOptions) -> Any:
    from infra.runpod.sdk import NetworkVolume

    assert spec.size_gib is not None
    return NetworkVolume(
        name,
        name=spec.volume_name,
        size_gb=spec.size_gib,
        data_center=spec.regions[0],
        type="HIGH_PERFORMANCE" if spec.high_performance else "STANDARD",
        force_destroy=spec.force_destroy,
        opts=opts,
    ).id


_MAKE = {Cloud.MODAL: _on_modal, Cloud.RUNPOD: _on_runpod}


def misplaced(mounts: Iterable[VolumeMount], cloud: Cloud, path: str = "volumes") -> Iterator[Problem]:
    """What is wrong with mounting volumes of the program on `cloud`."""
    for index, mount in enumerate(mounts):
        volume = mount.volume
        if isinstance(volume, DeclaredVolume) and volume.cloud is not cloud:
            yield Problem(
                f"{path}[{index}].volume",
                f'{volume.declared_name!r} is a volume of "{volume.cloud.value}". Wanted: one of "{cloud.value}". '
                "Fix: change the cloud of one of them",
            )
