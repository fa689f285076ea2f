"""`ModelVolume`: files that outlive workers, and that endpoints, pipelines and jobs mount."""

from collections.abc import Iterable, Iterator

import pulumi

from components._base import explained, given, token, with_overrides
from infra.modal.sdk import Volume
from infra.spec.declarations import Cloud, DeclaredVolume, SpecError, VolumeMount, VolumeSpec, parse
from infra.spec.parsing import Problem

_FILE_SYSTEM = 2  # of Modal's two versions the one without a limit on the number of files


class ModelVolume(pulumi.ComponentResource, DeclaredVolume):
    """A volume. `VolumeMount(volume=…)` takes it as it is.

    One that holds files, or that something mounts, is not deleted unless `force_destroy` is set.
    """

    volume_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cloud: Cloud | str | None = None,
        volume_name: str | None = None,
        force_destroy: bool | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ModelVolume"), name, None, opts)
        values = given(cloud=cloud, volume_name=volume_name, force_destroy=force_destroy)
        with explained():
            spec = parse(VolumeSpec, with_overrides("volumes", name, values), subject=f"volume {name!r}")
            if spec.cloud is not Cloud.MODAL:
                raise SpecError(f"volume {name!r}", [Problem("cloud", _refusal(spec.cloud))])
        volume = Volume(
            name,
            name=spec.volume_name,
            version=_FILE_SYSTEM,
            force_destroy=spec.force_destroy,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.declared_name = name
        self.cloud = spec.cloud
        self.volume_name = volume.name
        self.register_outputs({"volumeName": self.volume_name})


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


def _refusal(cloud: Cloud) -> str:
    if cloud is Cloud.RUNPOD:
        return (
            'found "runpod". Wanted: "modal"; network volumes of RunPod come with a later version. Fix: until then, '
            "VolumeMount takes the id of a network volume that is there already"
        )
    return f'found "{cloud.value}". Wanted: "modal"; this version does not place volumes'
