"""What an app on Modal is declared with and what it has: the source of its schema, defaults and diffs.

Names are those of Modal's Python API, with a unit where one was unclear (`timeoutS`, `memoryMib`).
"""

from enum import Enum
from typing import Any

from pydantic import field_validator

from infra.kit import UNKNOWN, Change, Model, prop


class WebKind(Enum):
    """How a function serves HTTP: a route of its own, an app that it returns, or a server that it starts."""

    FASTAPI = "fastapi"
    ASGI = "asgi"
    WSGI = "wsgi"
    SERVER = "server"


class Strategy(Enum):
    """Let containers of the version before finish, or stop them at once."""

    ROLLING = "rolling"
    RECREATE = "recreate"


class AppImage(Model):
    """A registry image by digest, or Debian slim with `apt`, `pip`, `commands`, `env` and `files` put on it in that order."""

    registry: str | None = prop(None, desc="Image reference with a digest. Unset: Debian slim with `python`.")
    registry_secret: str | None = prop(
        None, desc="Name of the Modal secret with REGISTRY_USERNAME and REGISTRY_PASSWORD."
    )
    add_python: str | None = prop(None, desc="Python to add to a registry image that has none, such as 3.11.")
    python: str = prop("3.11", desc="Minor version of Python, without `registry`.")
    apt: list[str] = prop([], desc="Debian packages.")
    pip: list[str] | None = prop(
        None,
        desc="Python packages, each pinned (`name==version`). Unset: those of `requirements`.",
    )
    requirements: str | None = prop(
        None, desc="Requirements file, relative to Pulumi.yaml. Unset: the source's requirements.txt, if any."
    )
    uv: bool = prop(True, desc="Whether uv installs the Python packages, and not pip.")
    commands: list[str] = prop([], desc="Shell commands that are run when the image is built.")
    env: dict[str, str] = prop({}, desc="Environment. Not for secrets: it is part of the image.")
    files: dict[str, str] = prop(
        {}, desc="Absolute path in the container -> file or directory here, relative to Pulumi.yaml."
    )


class AppVolume(Model):
    """A volume, mounted."""

    name: str = prop(desc="The volume's name.")
    sub_path: str | None = prop(None, desc="Directory of the volume to mount. Unset: all of it.")
    read_only: bool = prop(False, desc="Whether containers may only read it.")


class AppSecret(Model):
    """A secret whose variables containers get."""

    name: str = prop(desc="The secret's name.")
    required_keys: list[str] = prop(
        [], ignore=True, desc="Variables that the secret must have at deployment."
    )


class AppRetries(Model):
    """Whether and when a failed input runs again."""

    max_retries: int = prop(desc="Attempts after the first, 0 to 10.", ge=0, le=10)
    backoff_coefficient: float = prop(2.0, desc="What each wait is multiplied by, 1 to 10.", ge=1, le=10)
    initial_delay_s: float = prop(1.0, desc="Seconds before the first retry, 0 to 60.", ge=0, le=60)
    max_delay_s: float = prop(60.0, desc="The longest wait, 1 to 60 seconds.", ge=1, le=60)


class AppSchedule(Model):
    """When a function runs by itself. Exactly one of `cron` and `periodS`."""

    cron: str | None = prop(None, desc="Five fields of cron, such as `0 9 * * 1`.")
    timezone: str = prop("UTC", desc="Time zone of `cron`, such as Europe/Berlin.")
    period_s: float | None = prop(None, desc="Seconds between two runs, from the deployment on.", gt=0)


class AppWeb(Model):
    """A web endpoint. `kind` and what follows it are for functions: a handler class always answers JSON."""

    label: str | None = prop(None, desc="What the address begins with. Unset: made from the app's name.")
    custom_domains: list[str] = prop([], desc="Domains of the workspace to serve it at.")
    requires_proxy_auth: bool = prop(
        False, desc="Whether requests need the headers Modal-Key and Modal-Secret."
    )
    kind: WebKind | None = prop(None, ignore=True, desc="How the function serves HTTP.")
    method: str = prop("GET", ignore=True, desc="fastapi: the HTTP method.")
    docs: bool = prop(False, ignore=True, desc="fastapi: whether /docs is served.")
    port: int = prop(8000, ignore=True, desc="server: the port that it listens on.", ge=1, le=65535)
    startup_timeout_s: float = prop(
        5.0, ignore=True, desc="server: seconds that it may take to listen.", gt=0
    )


class Service(Model):
    """What functions and classes have in common."""

    gpu: list[str] = prop([], desc="GPUs in order of preference, such as L4 or H100:2. Empty: none.")
    cpu: float | None = prop(None, desc="Cores to ask for. Unset: Modal's choice (0.125).", gt=0)
    cpu_limit: float | None = prop(None, desc="The most cores. Unset: no limit of its own.", gt=0)
    memory_mib: int | None = prop(None, desc="MiB to ask for. Unset: Modal's choice (128).", gt=0)
    memory_limit_mib: int | None = prop(None, desc="The most MiB; beyond it the container is killed.", gt=0)
    ephemeral_disk_mib: int | None = prop(None, desc="MiB of disk. Unset: Modal's choice.", gt=0)
    min_containers: int = prop(0, desc="Containers that are always on.")
    max_containers: int | None = prop(None, desc="The most containers. Unset: the workspace's limit.")
    buffer_containers: int = prop(0, desc="Spare containers while the function is active.")
    scaledown_window_s: int | None = prop(
        server_default=True,
        desc="Seconds without input before a container is let go, 2 to 3600. Unset: Modal's choice (60).",
    )
    timeout_s: int = prop(300, desc="The longest an input may run, 1 to 86400 seconds.")
    startup_timeout_s: int | None = prop(
        server_default=True, desc="The longest a container may take to start. Unset: as timeoutS."
    )
    max_concurrent_inputs: int | None = prop(None, desc="Inputs at once in one container. Unset: one.")
    target_concurrent_inputs: int | None = prop(
        None, desc="Inputs per container that the autoscaler aims at. Unset: maxConcurrentInputs."
    )
    regions: list[str] = prop([], desc="Regions that containers may run in; raises the price. Empty: any.")
    cloud: str | None = prop(None, desc="Cloud that containers run in: aws, gcp, oci, azure or auto.")
    nonpreemptible: bool = prop(False, desc="Whether containers are never moved; raises the price.")
    block_network: bool = prop(False, desc="Whether containers have no network.")
    single_use_containers: bool = prop(False, desc="Whether a container takes one input and ends.")
    volumes: dict[str, AppVolume] = prop({}, desc="Absolute path in the container -> volume.")
    network_file_systems: dict[str, str] = prop(
        {},
        desc="Absolute path in the container -> name of a network file system. Deprecated by Modal: use volumes.",
    )
    secrets: list[AppSecret] = prop([], desc="Secrets; of two with the same variable the later one counts.")
    proxy: str | None = prop(None, ignore=True, desc="Name of a Modal proxy, for a fixed address.")
    retries: AppRetries | None = prop(None, desc="What happens to an input that fails. Unset: nothing.")
    memory_snapshot: bool = prop(False, desc="Whether containers start from a snapshot of their memory.")
    gpu_snapshot: bool = prop(False, desc="Whether the snapshot holds the GPU's memory too (alpha).")
    env: dict[str, str] = prop(
        {}, ignore=True, desc="Environment, beside the app's. Not for secrets: it is part of the image."
    )
    image: AppImage | None = prop(None, ignore=True, desc="Image. Unset: the app's.")
    web: AppWeb | None = prop(None, desc="Web endpoint. Unset: none.")

    container_idle_timeout: Any = prop(None, deprecated="use scaledownWindowS", desc="Refused.")
    concurrency_limit: Any = prop(None, deprecated="use maxContainers", desc="Refused.")
    keep_warm: Any = prop(None, deprecated="use minContainers", desc="Refused.")
    allow_concurrent_inputs: Any = prop(None, deprecated="use maxConcurrentInputs", desc="Refused.")
    serialized: Any = prop(None, deprecated="code is deployed as files", desc="Refused.")

    @field_validator("gpu")
    @classmethod
    def _as_modal_has_it(cls, names: Any) -> Any:
        """Modal answers in capitals, and without `:1`."""
        if not isinstance(names, list):
            return names
        return [name if name is UNKNOWN else name.upper().removesuffix(":1") for name in names]


class AppFunction(Service):
    """A function of the app's code."""

    entry: str = prop("", ignore=True, desc="`file.py:function`, relative to the app's source.")
    schedule: AppSchedule | None = prop(None, desc="When it runs by itself. Unset: only when called.")
    batch_max_size: int | None = prop(None, desc="Inputs that are run together, as lists. Unset: one by one.")
    batch_wait_ms: int | None = prop(None, desc="Milliseconds that a batch may wait to be filled.")


class AppClass(Service):
    """A handler class (`load`, `predict`): loaded once per container, called as `<class>.predict`."""

    entry: str | None = prop(None, ignore=True, desc="The handler's file. Unset: model.py.")


class AppInputs(Model):
    name: str | None = prop(
        change=Change.REPLACE, auto_name=True, desc="Name in Modal, unique in the environment."
    )
    environment: str | None = prop(
        change=Change.REPLACE,
        server_default=True,
        desc="Environment that it is in. Unset: the provider's, else the workspace's default one.",
    )
    source: str | None = prop(
        None, ignore=True, desc="Directory with the code, relative to Pulumi.yaml. Needed to deploy."
    )
    functions: dict[str, AppFunction] = prop({}, desc="Functions by name.")
    classes: dict[str, AppClass] = prop({}, desc="Handler classes by name.")
    image: AppImage = prop(AppImage(), ignore=True, desc="Image of what has none of its own.")
    env: dict[str, str] = prop(
        {}, ignore=True, desc="Environment of all containers. Not for secrets: it is part of the image."
    )
    weights: str | None = prop(
        None,
        ignore=True,
        desc="Address of staged weights (`s3://…`), which handler classes load. Their store's keys come in secrets.",
    )
    tags: dict[str, str] = prop({}, desc="Tags, which Modal's billing reports show too.")
    strategy: Strategy = prop(
        Strategy.ROLLING,
        ignore=True,
        write_only=True,
        desc="What a new version does to containers of the one before.",
    )
    intent: dict[str, Any] | None = prop(
        None,
        write_only=True,
        ignore=True,
        desc="What the app is for, read by policies; never sent to Modal.",
    )
    module: str | None = prop(
        computed=True,
        desc="Name of the module that is deployed: a hash of all that reaches the containers. Where it differs, a new "
        "version is deployed.",
    )


class AppRelease(Model):
    """One version of an app."""

    version: int = prop(desc="Number of the version.")
    module: str = prop("", desc="Module that it runs, where this provider deployed it.")
    deployed_at: str = prop("", desc="When it was deployed (ISO 8601).")
    deployed_by: str = prop("", desc="Who deployed it.")
    rollback_of: int | None = prop(None, desc="The version that it brought back, if it is a rollback.")
    commit: str = prop("", desc="Git commit that it was deployed from, with a `+` where files had changed.")


class AppState(AppInputs):
    app_id: str = prop("", desc="Modal's id of the app (`ap-…`).")
    version: int | None = prop(None, desc="Version that is live.")
    deployed_at: str = prop("", desc="When it was deployed (ISO 8601).")
    url: str | None = prop(None, desc="Web address of the app, if it has exactly one.")
    web_urls: dict[str, str] = prop({}, desc="Function, or class, -> web address.")
    function_ids: dict[str, str] = prop({}, desc="Function, or class, -> Modal's id (`fu-…`).")
    image_ids: dict[str, str] = prop({}, desc="Function, or class, -> Modal's id of its image (`im-…`).")
    history: list[AppRelease] = prop([], desc="The last ten versions, newest first.")
    rollback_version: int | None = prop(
        None,
        desc="The newest version before the live one that ran something else: what `modal app rollback <name> v<it>` "
        "brings back until the next `pulumi up`. Unset: there is none.",
    )
    dashboard_url: str = prop("", desc="The app's page in Modal.")
