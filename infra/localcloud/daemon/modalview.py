"""The Modal apps that run, as the page and `pilotlight cloud status` show them."""

from dataclasses import dataclass

from infra.localcloud.modal.model import FunctionRecord, TaskState
from infra.localcloud.modal.world import World


@dataclass(frozen=True)
class FunctionRow:
    """Of a class, all its methods together. `containers_max` is None where there is no limit."""

    id: str
    name: str
    gpu: str
    web_urls: list[str]
    containers: int
    containers_min: int
    containers_max: int | None
    queued: int
    running: int


@dataclass(frozen=True)
class ContainerRow:
    id: str
    function: str
    state: str
    uptime_s: int
    version: int
    reason: str


@dataclass(frozen=True)
class AppRow:
    id: str
    name: str
    environment: str
    version: int
    functions: list[FunctionRow]
    containers: list[ContainerRow]


def apps(world: World) -> list[AppRow]:
    """Those that run, oldest first."""
    rows = []
    for app in sorted(world.apps.values(), key=lambda app: app.created_at):
        if not app.running or not app.function_ids:
            continue
        functions = [world.functions[function_id] for function_id in app.function_ids.values()]
        rows.append(
            AppRow(
                id=app.app_id,
                name=app.name or app.description,
                environment=app.environment,
                version=app.version,
                functions=[_function(world, record) for record in functions],
                containers=_containers(world, app.app_id),
            )
        )
    return rows


def _function(world: World, record: FunctionRecord) -> FunctionRow:
    stats, data = world.fleet.stats(record.function_id), record.data
    methods = [method.web_url for method in data.method_definitions.values()]
    return FunctionRow(
        id=record.function_id,
        name=record.name.removesuffix(".*"),
        gpu=" or ".join(_gpus(record)),
        web_urls=[url for url in (data.web_url, *data.flash_service_urls, *methods) if url],
        containers=stats.tasks,
        containers_min=record.settings.min_containers,
        containers_max=record.settings.max_containers or None,
        queued=stats.backlog,
        running=stats.running_inputs,
    )


def _gpus(record: FunctionRecord) -> list[str]:
    configs = [ranked.function.resources.gpu_config for ranked in record.data.ranked_functions]
    return [f"{gpu.count} x {gpu.gpu_type}" for gpu in configs if gpu.count]


def _containers(world: World, app_id: str) -> list[ContainerRow]:
    now = world.clock.now()
    rows = []
    for task in world.fleet.tasks(app_id):
        function = world.functions.get(task.function_id)
        rows.append(
            ContainerRow(
                id=task.task_id,
                function=function.name.removesuffix(".*") if function else task.function_id,
                state=task.state.value,
                uptime_s=0 if task.state is TaskState.STARTING else int(now - task.started_at),
                version=task.version,
                reason=task.reason,
            )
        )
    return rows
