"""The provider's configuration and the client that follows from it. What the environment gives never enters state."""

import os
from enum import Enum
from typing import TYPE_CHECKING

from infra.kit import ConnectContext, Model, prop
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.runpod.account import Account

API_KEY_VARIABLE = "RUNPOD_API_KEY"


class Target(Enum):
    LOCAL = "local"
    CLOUD = "cloud"


class Switch(Enum):
    ON = "on"
    OFF = "off"


class Config(Model):
    target: Target = prop(Target.CLOUD, desc="`local` = the local cloud of this checkout, `cloud` = RunPod.")
    api_key: str | None = prop(
        None, secret=True, env=API_KEY_VARIABLE, desc="RunPod API key. Not used with target local."
    )
    base_url: str = prop(
        "https://api.runpod.io",
        env="RUNPOD_API_BASE_URL",
        desc="Root of RunPod's REST API, without /v2. Not used with target local.",
    )
    graphql: Switch = prop(
        Switch.ON,
        desc="`off`: never call RunPod's GraphQL API, which retires in 2027 and which only Secret still needs.",
    )


async def connect(config: Config | None, ctx: ConnectContext) -> "Account":
    """Called before the first request to RunPod, never for a preview. Starts the local cloud where that is the target."""
    from infra.runpod.account import Account
    from infra.runpod.client import RunPodClient
    from infra.runpod.errors import NoApiKey

    if config is None:
        raise PilotlightError(
            "the provider's configuration is not valid", fix="see what `pulumi preview` says of it"
        )
    if config.target is Target.LOCAL:
        return await _local(ctx, graphql=config.graphql is Switch.ON)
    if not config.api_key:
        raise NoApiKey
    from_environment = os.environ.get(API_KEY_VARIABLE) == config.api_key
    source = API_KEY_VARIABLE if from_environment else "the configuration (pilotlight-runpod:apiKey)"
    client = RunPodClient(config.api_key, config.base_url, key_source=source)
    return Account(client, graphql=config.graphql is Switch.ON)


async def _local(ctx: ConnectContext, *, graphql: bool) -> "Account":
    from infra.kit.local import ensure_cloud
    from infra.runpod.account import Account
    from infra.runpod.client import RunPodClient

    if ctx.root is None:
        raise PilotlightError(
            "target is local, but there is no Pulumi.yaml here or above",
            wanted="the checkout whose local cloud is meant",
            fix="run pulumi inside the project's directory",
        )
    cloud = await ensure_cloud(ctx.root, ctx.status)
    client = RunPodClient(cloud.runpod_api_key, cloud.url, key_source=".pilotlight/cloud.json")
    return Account(client, graphql=graphql)
