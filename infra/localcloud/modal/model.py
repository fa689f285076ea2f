"""The records that the rooms of local Modal share, and the seams between them. Times are seconds since the epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from modal_proto import api_pb2

DEFAULT_ENVIRONMENT = "main"


@dataclass
class AppRecord:
    """One app. `name` is empty while it is not deployed under one. `state` is an `api_pb2.AppState`.

    `function_ids` and `class_ids` are by tag, as published ("f", "Model.*"; "Model").
    """

    app_id: str
    name: str
    description: str
    environment: str
    state: int
    created_at: float
    created_by: str
    tags: dict[str, str] = field(default_factory=dict)
    function_ids: dict[str, str] = field(default_factory=dict)
    class_ids: dict[str, str] = field(default_factory=dict)
    version: int = 0
    deployed_at: float = 0.0
    stopped_at: float = 0.0
    heartbeat_at: float = 0.0

    @property
    def running(self) -> bool:
        return self.state not in (api_pb2.APP_STATE_STOPPED, api_pb2.APP_STATE_STOPPING)


@dataclass
class DeploymentRecord:
    """One version of an app, kept for history and rollback. `commit` is an `api_pb2.CommitInfo`, if one was sent.

    `definition_ids` are by function id; `fingerprint` is equal for deployments without a difference.
    """

    app_id: str
    version: int
    function_ids: dict[str, str]
    class_ids: dict[str, str]
    definition_ids: dict[str, str]
    tags: dict[str, str]
    tag: str
    client_version: str
    deployed_at: float
    deployed_by: str
    fingerprint: str
    rollback_version: int = 0
    staged: bool = False
    deployment_type: int = 0
    commit: api_pb2.CommitInfo | None = None

    @property
    def key(self) -> str:
        return f"{self.app_id}/{self.version:06d}"


@dataclass
class FunctionRecord:
    """One function (or class service, or server) and the definition that new containers get.

    `name` is its tag in the app. `data` is the definition in full (one ranked function for each choice of GPUs, the
    same otherwise), empty until it is published. `version` is the app's version whose containers it wants: older ones
    drain. `settings` is what the autoscaler goes by: those of the definition under `override`, over the defaults; a
    max_containers that is not set means no limit.
    A function bound to parameters or options names its `base_id`; the calls room makes and keeps those.
    """

    function_id: str
    app_id: str
    name: str
    handle: api_pb2.FunctionHandleMetadata
    data: api_pb2.FunctionData = field(default_factory=api_pb2.FunctionData)
    definition_id: str = ""
    version: int = 0
    settings: api_pb2.AutoscalerSettings = field(default_factory=api_pb2.AutoscalerSettings)
    override: api_pb2.AutoscalerSettings = field(default_factory=api_pb2.AutoscalerSettings)
    stopped: bool = False
    base_id: str = ""
    serialized_params: bytes = b""

    @property
    def function(self) -> api_pb2.Function:
        """The first choice. Not to be changed."""
        return self.data.ranked_functions[0].function if self.data.ranked_functions else api_pb2.Function()


@dataclass
class DefinitionRecord:
    """What one `FunctionCreate` said; it takes effect when the app is published. Never changed.

    `fingerprint` is of the content, without what differs between equal deployments.
    """

    definition_id: str
    function_id: str
    data: api_pb2.FunctionData
    handle: api_pb2.FunctionHandleMetadata
    fingerprint: str


@dataclass
class ClassRecord:
    """A class; what runs is its service function, whose tag is `<name>.*`."""

    class_id: str
    app_id: str
    name: str = ""


@dataclass
class WebRoute:
    """What answers at `<web url>/w/<label>`: a function, or one method of a class, or a server. Domains that the app
    asked for are served by Host header."""

    label: str
    function_id: str
    method: str = ""
    domains: list[str] = field(default_factory=list)


@dataclass
class EnvironmentRecord:
    environment_id: str
    name: str
    created_at: float
    webhook_suffix: str
    image_builder_version: str
    max_concurrent_tasks: int | None = None
    max_concurrent_gpus: int | None = None


@dataclass
class SecretRecord:
    """`name` is empty for one that an app brought along (`Secret.from_dict`)."""

    secret_id: str
    name: str
    environment: str
    values: dict[str, str]
    created_at: float
    created_by: str
    last_used_at: float = 0.0


@dataclass
class ProxyToken:
    """Opens web addresses that ask for proxy authentication; if `scoped`, those of its environments."""

    token_id: str
    secret: str
    name: str
    created_at: float
    scoped: bool = False
    environment_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MountedFile:
    """`filename` is absolute, as in the container; `sha256` names the content in the content store."""

    filename: str
    sha256: str
    mode: int
    size: int


@dataclass
class MountRecord:
    """A set of files, named by its content. `name` is that of a published mount (the client's own is empty)."""

    mount_id: str
    checksum: str
    files: list[MountedFile] = field(default_factory=list)


class TaskState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True)
class TaskView:
    """One container. `version` is the app's at its start. `reason` says why it failed or was stopped, if so."""

    task_id: str
    app_id: str
    function_id: str
    environment: str
    state: TaskState
    version: int
    enqueued_at: float
    started_at: float = 0.0
    finished_at: float = 0.0
    gpu_type: str = ""
    gpu_count: int = 0
    reason: str = ""


@dataclass(frozen=True)
class StatsView:
    """Of one function, all its bound ones included. `headroom` counts inputs that its containers could take at once."""

    backlog: int = 0
    tasks: int = 0
    running_inputs: int = 0
    headroom: int = 0


@dataclass(frozen=True)
class LogLine:
    """`seq` rises within the app, from 1. `source` is an `api_pb2.FileDescriptor` (1 stdout, 2 stderr, 3 the cloud
    itself). `text` ends as it was written."""

    ts: float
    seq: int
    task_id: str
    function_id: str
    source: int
    text: str
    function_call_id: str = ""
    input_id: str = ""


@dataclass(frozen=True)
class LogFilter:
    """Unset fields take everything; times include `since` and not `until`."""

    since: float | None = None
    until: float | None = None
    task_id: str = ""
    function_id: str = ""
    function_call_id: str = ""
    source: int = 0
    search: str = ""


class Fleet(Protocol):
    """Containers and the calls that they work on (containers room), as the other rooms use them."""

    def apply(self, function_id: str) -> None:
        """The record of a function is new or has changed: scaling at once, a new `version` drains older containers
        as their function's successors start. Returns at once; the work goes on in the background."""

    def stop_app(self, app_id: str) -> None:
        """Stop the containers of an app, fail its queued inputs, take no more. Returns at once."""

    def stats(self, function_id: str) -> StatsView: ...

    async def idle(self, app_id: str) -> None:
        """Returns once no call of the app waits or runs."""

    def tasks(self, app_id: str | None = None) -> list[TaskView]:
        """Those that live (not yet STOPPED), oldest first."""

    def task(self, task_id: str) -> TaskView | None:
        """Also one that has stopped, for as long as it is remembered."""

    def stop_task(self, task_id: str, graceful: bool) -> bool:
        """False for one that does not live. Graceful lets running inputs end."""

    def logs(self, app_id: str, wanted: LogFilter, limit: int = 0, after: int = 0) -> list[LogLine]:
        """The newest `limit` (0 for all) of those that fit and have a higher `seq` than `after`, oldest first."""

    async def logs_changed(self, app_id: str, after: int) -> None:
        """Returns once the app has a line with a higher `seq` than `after`, or a task of it has ended."""

    async def close(self) -> None:
        """Stop every container; nothing stays running."""


class Volumes(Protocol):
    """Volumes and network file systems (data room), as containers use them."""

    def directory(self, volume_id: str) -> Path:
        """What to bind into a container. KeyError for an unknown one."""

    def commit(self, volume_id: str) -> None: ...

    def name(self, volume_id: str) -> str: ...


class Secrets(Protocol):
    def env(self, secret_ids: Sequence[str]) -> dict[str, str]:
        """Merged, later ones over earlier ones. KeyError for one that is gone."""


@dataclass(frozen=True)
class Runtime:
    """What a container of an image runs on. `env` holds the image's ENV, `workdir` its WORKDIR ("" if none), `notes`
    what the image asks for that this machine does not do (apt packages, other commands), one line each. `copies` are
    files of the image itself: (mount id, folder to put them below)."""

    python: Path
    env: dict[str, str]
    workdir: str
    notes: tuple[str, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()


class Images(Protocol):
    def interpreter(self, image_id: str) -> Runtime:
        """KeyError for an unknown image; RuntimeError with the reason for one whose build failed."""


class Mounts(Protocol):
    def materialise(self, mount_ids: Sequence[str], into: Path) -> None:
        """Put copies below `into`, `/root/app.py` at `into/root/app.py`. KeyError for an unknown mount."""

    def content(self, sha256: str) -> Path | None:
        """The file with this content, if it was sent."""

    def put(self, sha256: str, data: bytes | Path) -> None:
        """Take content; ValueError if it has another hash. A path is moved away."""


class Blobs(Protocol):
    """Large arguments, results and files (calls room)."""

    def path(self, blob_id: str) -> Path:
        """The uploaded content. KeyError for an unknown or unfinished one."""

    def keep(self, content: Path) -> str:
        """The id of a copy."""
