"""The artifacts' resources as a program writes them. Imports the Pulumi SDK, which provider processes never do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi

from infra.kit.names import read
from infra.kit.sdk import CustomResource

if TYPE_CHECKING:
    from infra.artifacts.bucket import BucketKind
    from infra.artifacts.image import Platform, Template


class Bucket(CustomResource):
    """A bucket in S3, R2 or the local cloud's object store."""

    token: ClassVar = "pilotlight-artifacts:index:Bucket"
    names: ClassVar = read("infra.artifacts")["Bucket"]

    name: pulumi.Output[str]
    uri: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str] | None = None,
        kind: "pulumi.Input[BucketKind | str] | None" = None,
        region: pulumi.Input[str] | None = None,
        force_destroy: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)


class Weights(CustomResource):
    """A local directory of safetensors, staged in a bucket by content."""

    token: ClassVar = "pilotlight-artifacts:index:Weights"
    names: ClassVar = read("infra.artifacts")["Weights"]

    uri: pulumi.Output[str]
    digest: pulumi.Output[str]
    size_bytes: pulumi.Output[int]
    files: pulumi.Output[Sequence[Mapping[str, Any]]]

    def __init__(
        self,
        resource_name: str,
        *,
        bucket: pulumi.Input[str],
        source: pulumi.Input[str],
        include: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        exclude: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        allow_pickle: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)


class Image(CustomResource):
    """An image of a handler, pinned by digest."""

    token: ClassVar = "pilotlight-artifacts:index:Image"
    names: ClassVar = read("infra.artifacts")["Image"]

    repository: pulumi.Output[str]
    ref: pulumi.Output[str]
    digest: pulumi.Output[str]
    size_bytes: pulumi.Output[int]
    layers: pulumi.Output[Sequence[Mapping[str, Any]]]

    def __init__(
        self,
        resource_name: str,
        *,
        handler: pulumi.Input[str],
        repository: pulumi.Input[str] | None = None,
        entry: pulumi.Input[str] | None = None,
        template: "pulumi.Input[Template | str] | None" = None,
        functions: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        requirements: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        requirements_file: pulumi.Input[str] | None = None,
        python: pulumi.Input[str] | None = None,
        base: pulumi.Input[str] | None = None,
        env: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        platform: "pulumi.Input[Platform | str] | None" = None,
        files: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)
