"""The provider's configuration and the client that follows from it. What the environment gives never enters state."""

import os
from enum import Enum
from typing import TYPE_CHECKING

from infra.kit import Change, ConnectContext, Model, prop
from infra.modal.errors import TOKEN_ID_VARIABLE, TOKEN_SECRET_VARIABLE
from infra.spec.errors import PilotlightError

if TYPE_CHECKING:
    from infra.modal.client import ModalClient

SERVER_URL = "https://api.modal.com,https://api.modal2.com"


class Target(Enum):
    LOCAL = "local"
    CLOUD = "cloud"


class Config(Model):
    target: Target = prop(Target.CLOUD, desc="`local` = the local cloud of this checkout, `cloud` = Modal.")
    token_id: str | None = prop(
        None, env=TOKEN_ID_VARIABLE, desc="Id of the Modal token (`ak-…`). Not used with target local."
    )
    token_secret: str | None = prop(
        None,
        secret=True,
        env=TOKEN_SECRET_VARIABLE,
        desc="Secret of the Modal token (`as-…`). Not used with target local.",
    )
    server_url: str = prop(
        SERVER_URL,
        env="MODAL_SERVER_URL",
        desc="Address of Modal's API, several by commas. Not used with target local.",
    )
    environment: str | None = prop(
        None,
        env="MODAL_ENVIRONMENT",
        change=Change.REPLACE,
        desc="Environment of resources that name none. Unset: the workspace's default one. A change moves them all.",
    )


async def connect(config: Config | None, ctx: ConnectContext) -> "ModalClient":
    """Called before the first request to Modal, never for a preview. Starts the local cloud where that is the target."""
    from infra.modal.client import Access, ModalClient
    from infra.modal.errors import NoToken

    if config is None:
        raise PilotlightError(
            "the provider's configuration is not valid", fix="see what `pulumi preview` says of it"
        )
    if config.target is Target.LOCAL:
        return await _local(config, ctx)
    if not config.token_id or not config.token_secret:
        raise NoToken
    from_environment = os.environ.get(TOKEN_SECRET_VARIABLE) == config.token_secret
    source = TOKEN_SECRET_VARIABLE if from_environment else "the configuration (pilotlight-modal:tokenSecret)"
    access = Access(config.server_url, config.token_id, config.token_secret, source)
    return ModalClient(access, environment=config.environment, root=ctx.root)


async def _local(config: Config, ctx: ConnectContext) -> "ModalClient":
    from infra.kit.local import ensure_cloud
    from infra.modal.client import Access, ModalClient

    if ctx.root is None:
        raise PilotlightError(
            "target is local, but there is no Pulumi.yaml here or above",
            wanted="the checkout whose local cloud is meant",
            fix="run pulumi inside the project's directory",
        )
    cloud = await ensure_cloud(ctx.root, ctx.status)
    if cloud.modal is None:
        raise PilotlightError(
            "the local cloud that runs is of an older version and has no Modal",
            fix="run `pilotlight cloud down`, then `pulumi up` again",
        )
    modal = cloud.modal
    access = Access(modal.server_url, modal.token_id, modal.token_secret, ".pilotlight/cloud.json")
    return ModalClient(access, environment=config.environment, root=ctx.root)
