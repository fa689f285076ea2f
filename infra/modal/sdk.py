"""Modal's resources as a program writes them. Imports the Pulumi SDK, which provider processes never do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi

from infra.kit.names import read
from infra.kit.sdk import CustomResource

if TYPE_CHECKING:
    from infra.modal.app_model import Strategy


class App(CustomResource):
    """Functions, handler classes and web endpoints. Nested arguments are mappings, keys in Python or in wire spelling.

    functions: `{"embed": {"entry": "pipeline.py:embed", "cpu": 2, "timeout_s": 60}}`.
    classes: `{"Search": {"gpu": ["L4", "A10"], "min_containers": 0, "scaledown_window_s": 60, "web": {}}}`.
    image: `{"pip": ["numpy==2.4.6"]}` or `{"registry": "…@sha256:…"}`.
    """

    token: ClassVar = "pilotlight-modal:index:App"
    names: ClassVar = read("infra.modal")["App"]

    name: pulumi.Output[str]
    environment: pulumi.Output[str]
    module: pulumi.Output[str]
    app_id: pulumi.Output[str]
    version: pulumi.Output[int | None]
    deployed_at: pulumi.Output[str]
    url: pulumi.Output[str | None]
    web_urls: pulumi.Output[Mapping[str, str]]
    function_ids: pulumi.Output[Mapping[str, str]]
    image_ids: pulumi.Output[Mapping[str, str]]
    history: pulumi.Output[Sequence[Mapping[str, Any]]]
    rollback_version: pulumi.Output[int | None]
    dashboard_url: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str] | None = None,
        environment: pulumi.Input[str] | None = None,
        source: pulumi.Input[str] | None = None,
        functions: pulumi.Input[Mapping[str, pulumi.Input[Mapping[str, Any]]]] | None = None,
        classes: pulumi.Input[Mapping[str, pulumi.Input[Mapping[str, Any]]]] | None = None,
        image: pulumi.Input[Mapping[str, Any]] | None = None,
        env: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        weights: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        strategy: "pulumi.Input[Strategy | str] | None" = None,
        intent: pulumi.Input[Mapping[str, Any]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)


class Volume(CustomResource):
    """Files that containers mount. `force_destroy` lets it be deleted with what it holds."""

    token: ClassVar = "pilotlight-modal:index:Volume"
    names: ClassVar = read("infra.modal")["Volume"]

    name: pulumi.Output[str]
    environment: pulumi.Output[str]
    created_at: pulumi.Output[str]
    created_by: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str] | None = None,
        environment: pulumi.Input[str] | None = None,
        version: pulumi.Input[int] | None = None,
        force_destroy: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)


class Secret(CustomResource):
    """Environment variables that containers get. Modal never returns the values."""

    token: ClassVar = "pilotlight-modal:index:Secret"
    names: ClassVar = read("infra.modal")["Secret"]

    name: pulumi.Output[str]
    environment: pulumi.Output[str]
    keys: pulumi.Output[Sequence[str]]
    created_at: pulumi.Output[str]
    created_by: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        values: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        name: pulumi.Input[str] | None = None,
        environment: pulumi.Input[str] | None = None,
        required_keys: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)


class Environment(CustomResource):
    """A part of the workspace with apps, volumes and secrets of its own."""

    token: ClassVar = "pilotlight-modal:index:Environment"
    names: ClassVar = read("infra.modal")["Environment"]

    name: pulumi.Output[str]
    created_at: pulumi.Output[str]
    is_default: pulumi.Output[bool]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str] | None = None,
        web_suffix: pulumi.Input[str] | None = None,
        restricted: pulumi.Input[bool] | None = None,
        force_destroy: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)


class Dict(CustomResource):
    """A key-value store that functions share."""

    token: ClassVar = "pilotlight-modal:index:Dict"
    names: ClassVar = read("infra.modal")["Dict"]

    name: pulumi.Output[str]
    environment: pulumi.Output[str]
    created_at: pulumi.Output[str]
    created_by: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str] | None = None,
        environment: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)


class Queue(CustomResource):
    """A queue of values between functions."""

    token: ClassVar = "pilotlight-modal:index:Queue"
    names: ClassVar = read("infra.modal")["Queue"]

    name: pulumi.Output[str]
    environment: pulumi.Output[str]
    created_at: pulumi.Output[str]
    created_by: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str] | None = None,
        environment: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)


class NetworkFileSystem(CustomResource):
    """A file system that functions share. Deprecated by Modal: use Volume."""

    token: ClassVar = "pilotlight-modal:index:NetworkFileSystem"
    names: ClassVar = read("infra.modal")["NetworkFileSystem"]

    name: pulumi.Output[str]
    environment: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str] | None = None,
        environment: pulumi.Input[str] | None = None,
        force_destroy: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, locals(), opts)
