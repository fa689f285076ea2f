"""Modal's answers as our state. What Modal cannot return (code, recipes of images) comes from the hint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from infra.modal.app_model import (
    AppClass,
    AppFunction,
    AppRelease,
    AppRetries,
    AppSchedule,
    AppSecret,
    AppVolume,
    AppWeb,
    Service,
    WebKind,
)

_HISTORY = 10
CLASS_SUFFIX = ".*"
"""How Modal names the function behind a class."""

# The client asks for this much where a limit is given without a request (app_module).
_DEFAULT_MILLI_CPU = 125
_DEFAULT_MEMORY_MIB = 128

S = TypeVar("S", AppFunction, AppClass)


@dataclass(frozen=True)
class Names:
    """Names of what functions refer to by id."""

    by_id: Mapping[str, str] = field(default_factory=dict)

    def of(self, id: str) -> str:
        """The id itself where the object is gone: that shows as drift."""
        return self.by_id.get(id, id)


def referred(data: Any) -> set[str]:
    """Ids of the volumes, secrets and file systems that a `FunctionData` refers to."""
    function = data.ranked_functions[0].function
    return {
        *(mount.volume_id for mount in function.volume_mounts),
        *(mount.shared_volume_id for mount in function.shared_volume_mounts),
        *function.secret_ids,
    }


def function_state(data: Any, settings: Any, names: Names, hint: AppFunction | None) -> AppFunction:
    """From `FunctionData` and `AutoscalerSettings`."""
    function = data.ranked_functions[0].function
    more = {
        "entry": hint.entry if hint else "",
        "schedule": _schedule(
            data if data.HasField("schedule") else function, hint.schedule if hint else None
        ),
        "batch_max_size": function.batch_max_size or None,
        "batch_wait_ms": int(function.batch_linger_ms) or (0 if hint and hint.batch_wait_ms == 0 else None),
        "web": _web(data.webhook_config, hint.web if hint else None),
    }
    return AppFunction(**{**_service(data, settings, names, hint), **more})


def class_state(data: Any, settings: Any, names: Names, hint: AppClass | None) -> AppClass:
    methods = [method for method in data.method_definitions.values() if method.webhook_config.type]
    web = _web(methods[0].webhook_config, hint.web if hint else None) if methods else None
    more = {
        "entry": hint.entry if hint else None,
        "web": web.model_copy(update={"kind": None}) if web else None,
    }
    return AppClass(**{**_service(data, settings, names, hint), **more})


def web_urls(name: str, data: Any) -> dict[str, str]:
    """Of one function, or of a class by its name."""
    if data.web_url:
        return {name: data.web_url}
    urls = [method.web_url for method in data.method_definitions.values() if method.web_url]
    return {name: urls[0]} if urls else {}


def image_id(data: Any) -> str:
    return str(data.ranked_functions[0].function.image_id)


def history(answer: Any) -> list[AppRelease]:
    """From `AppDeploymentHistoryResponse`, newest first."""
    from datetime import UTC, datetime

    from infra.modal.named import moment

    newest = sorted(answer.app_deployment_histories, key=lambda item: -item.version)[:_HISTORY]
    return [
        AppRelease(
            version=item.version,
            module=item.tag,
            deployed_at=moment(datetime.fromtimestamp(item.deployed_at, UTC)),
            deployed_by=item.deployed_by,
            rollback_of=item.rollback_version or None,
            commit=f"{item.commit_info.commit_hash}{'+' if item.commit_info.dirty else ''}",
        )
        for item in newest
    ]


def live_module(answer: Any, version: int | None) -> str | None:
    """What the live version's own tag says it runs; that of the version brought back, after a rollback."""
    return _module(answer, answer.production_app_version or version or 0)


def rollback_version(answer: Any, version: int | None) -> int | None:
    """The newest version before the live one whose module is another."""
    live = answer.production_app_version or version or 0
    module = _module(answer, live)
    older = (item.version for item in answer.app_deployment_histories if item.version < live)
    return max((item for item in older if _module(answer, item) != module), default=None)


def _module(answer: Any, version: int) -> str | None:
    by_version = {item.version: item for item in answer.app_deployment_histories}
    item = by_version.get(version)
    seen: set[int] = set()
    while item is not None and item.rollback_version and item.version not in seen:
        seen.add(item.version)
        item = by_version.get(item.rollback_version)
    return item.tag if item is not None else None


def _service(data: Any, settings: Any, names: Names, hint: Service | None) -> dict[str, Any]:
    function = data.ranked_functions[0].function
    resources = function.resources
    gpus = [ranked.function.resources.gpu_config for ranked in data.ranked_functions]
    timeout = data.timeout_secs or function.timeout_secs
    snapshot = function.checkpointing_enabled
    return {
        "gpu": [_gpu(gpu) for gpu in gpus if gpu.count],
        "cpu": _asked(
            resources.milli_cpu, resources.milli_cpu_max, _DEFAULT_MILLI_CPU, hint.cpu if hint else None, 1000
        ),
        "cpu_limit": resources.milli_cpu_max / 1000 if resources.milli_cpu_max else None,
        "memory_mib": _asked(
            resources.memory_mb,
            resources.memory_mb_max,
            _DEFAULT_MEMORY_MIB,
            hint.memory_mib if hint else None,
            1,
        ),
        "memory_limit_mib": resources.memory_mb_max or None,
        "ephemeral_disk_mib": resources.ephemeral_disk_mb or None,
        "min_containers": settings.min_containers,
        "max_containers": settings.max_containers or None,
        "buffer_containers": settings.buffer_containers,
        "scaledown_window_s": settings.scaledown_window or None,
        "timeout_s": timeout,
        "startup_timeout_s": data.startup_timeout_secs or function.startup_timeout_secs or timeout,
        "max_concurrent_inputs": function.max_concurrent_inputs or None,
        "target_concurrent_inputs": function.target_concurrent_inputs or None,
        "regions": list(function.scheduler_placement.regions),
        "cloud": function.cloud_provider_str or None,
        "nonpreemptible": function.scheduler_placement.nonpreemptible,
        "block_network": function.block_network,
        "single_use_containers": function.single_use_containers,
        "volumes": {
            mount.mount_path: AppVolume(
                name=names.of(mount.volume_id), sub_path=mount.sub_path or None, read_only=mount.read_only
            )
            for mount in function.volume_mounts
        },
        "network_file_systems": {
            mount.mount_path: names.of(mount.shared_volume_id) for mount in function.shared_volume_mounts
        },
        "secrets": _secrets([names.of(id) for id in function.secret_ids], hint),
        "proxy": (hint.proxy if hint else None) if function.proxy_id else None,
        "retries": _retries(function, hint.retries if hint else None),
        "memory_snapshot": snapshot,
        "gpu_snapshot": snapshot and _flag(data, "enable_gpu_snapshot"),
        "env": hint.env if hint else {},
        "image": hint.image if hint else None,
    }


def _flag(data: Any, option: str) -> bool:
    """One of `experimental_options`, which arrive as texts."""
    function = data.ranked_functions[0].function
    given = {**function.experimental_options, **data.experimental_options}
    return str(given.get(option, "")).lower() in ("true", "1")


def _gpu(gpu: Any) -> str:
    return str(gpu.gpu_type) if gpu.count == 1 else f"{gpu.gpu_type}:{gpu.count}"


def _asked(value: int, limit: int, default: int, given: float | None, unit: int) -> Any:
    """A request; that of a limit alone is the default, which nobody asked for."""
    if not value or (limit and value == default and given is None):
        return None
    return value / unit if unit > 1 else value


def _secrets(found: list[str], hint: Service | None) -> list[AppSecret]:
    keys = {secret.name: secret.required_keys for secret in hint.secrets} if hint else {}
    return [AppSecret(name=name, required_keys=keys.get(name, [])) for name in found]


def _retries(function: Any, hint: AppRetries | None) -> AppRetries | None:
    if not function.HasField("retry_policy") or (not function.retry_policy.retries and hint is None):
        return None
    policy = function.retry_policy
    return AppRetries(
        max_retries=policy.retries,
        backoff_coefficient=policy.backoff_coefficient or 1.0,
        initial_delay_s=policy.initial_delay_ms / 1000,
        max_delay_s=max(1.0, policy.max_delay_ms / 1000),
    )


def _schedule(holder: Any, hint: AppSchedule | None) -> AppSchedule | None:
    if not holder.HasField("schedule"):
        return None
    schedule = holder.schedule
    if schedule.HasField("cron"):
        return AppSchedule(cron=schedule.cron.cron_string, timezone=schedule.cron.timezone or "UTC")
    if not schedule.HasField("period"):
        return None
    period = schedule.period
    days = period.days + 7 * period.weeks + 30 * period.months + 365 * period.years
    seconds = period.seconds + 60 * (period.minutes + 60 * (period.hours + 24 * days))
    return AppSchedule(period_s=seconds, timezone=hint.timezone if hint else "UTC")


def _web(config: Any, hint: AppWeb | None) -> AppWeb | None:
    from modal_proto import api_pb2

    if config.type == api_pb2.WEBHOOK_TYPE_UNSPECIFIED:
        return None
    kind = {
        api_pb2.WEBHOOK_TYPE_WSGI_APP: WebKind.WSGI,
        api_pb2.WEBHOOK_TYPE_WEB_SERVER: WebKind.SERVER,
        api_pb2.WEBHOOK_TYPE_FUNCTION: WebKind.FASTAPI,
    }.get(config.type, WebKind.ASGI)
    if hint and hint.kind is WebKind.FASTAPI and kind is WebKind.ASGI:
        kind = WebKind.FASTAPI  # deployed as an ASGI app of its own
    return AppWeb(
        label=config.requested_suffix or None,
        custom_domains=[domain.name for domain in config.custom_domains],
        requires_proxy_auth=config.requires_proxy_auth,
        kind=kind,
        method=hint.method if hint else config.method or "GET",
        docs=hint.docs if hint else config.web_endpoint_docs,
        port=config.web_server_port or (hint.port if hint else 8000),
        startup_timeout_s=config.web_server_startup_timeout or (hint.startup_timeout_s if hint else 5.0),
    )
