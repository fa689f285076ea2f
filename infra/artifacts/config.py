"""The provider's configuration, and the client that follows from it."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from infra.kit import ConnectContext, Model, prop

if TYPE_CHECKING:
    from infra.artifacts.client import Client


class Target(Enum):
    """Where buckets and images go."""

    LOCAL = "local"
    CLOUD = "cloud"


class Config(Model):
    """Where the object store and the registry are. What comes from the environment never enters state."""

    target: Target = prop(
        Target.CLOUD, desc="`local`: this checkout's local cloud; then nothing else is needed."
    )
    s3_endpoint: str | None = prop(
        None, env="AWS_ENDPOINT_URL_S3", desc="Address of the object store; default: AWS S3."
    )
    access_key_id: str | None = prop(None, env="AWS_ACCESS_KEY_ID", desc="Key id for the object store.")
    secret_access_key: str | None = prop(
        None, env="AWS_SECRET_ACCESS_KEY", secret=True, desc="Secret key for the object store."
    )
    region: str | None = prop(None, env="AWS_REGION", desc="Region of new buckets.")
    registry: str | None = prop(
        None,
        env="PILOTLIGHT_REGISTRY",
        desc="Host of the registry that images are pushed to, such as ghcr.io.",
    )
    registry_username: str | None = prop(
        None,
        env="PILOTLIGHT_REGISTRY_USERNAME",
        desc="User at the registry; default: what `docker login` left.",
    )
    registry_password: str | None = prop(
        None, env="PILOTLIGHT_REGISTRY_PASSWORD", secret=True, desc="Password or token at the registry."
    )


async def connect(config: Config, ctx: ConnectContext) -> "Client":
    """The client of one process. For `local`, finds the local cloud and starts it when it does not run."""
    from infra.artifacts.client import Client, RegistrySettings
    from infra.artifacts.oci.auth import Login
    from infra.artifacts.store import ObjectStore, StoreSettings

    if config.target is Target.LOCAL:
        return await _connect_local(ctx)
    store = StoreSettings(config.s3_endpoint, config.region, config.access_key_id, config.secret_access_key)
    registry = None
    if config.registry is not None:
        user, password = config.registry_username, config.registry_password
        login = Login(user, password) if user is not None and password is not None else None
        registry = RegistrySettings(config.registry.removeprefix("https://").rstrip("/"), login=login)
    return Client(ObjectStore(store), registry)


async def _connect_local(ctx: ConnectContext) -> "Client":
    from infra.artifacts.client import LOCAL_ALIAS, LOCAL_USER, Client, RegistrySettings, local_password
    from infra.artifacts.oci.auth import Login
    from infra.artifacts.store import ObjectStore, StoreSettings
    from infra.kit.local import ensure_cloud, find_root

    root = ctx.root or find_root(Path.cwd())
    cloud = await ensure_cloud(root, ctx.status)
    s3 = cloud.s3
    store = StoreSettings(s3.url, s3.region, s3.access_key_id, s3.secret_access_key, local=True)
    login = Login(LOCAL_USER, local_password(root))
    registry = RegistrySettings(LOCAL_ALIAS, cloud.registry_url, login, local=True)
    return Client(ObjectStore(store), registry, local=True)
