"""What an app's types cannot say: every rule across fields, every name that the catalog knows, and the code itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.kit import CheckContext, Failure
from infra.kit.wire import Path, show_path
from infra.modal import rules
from infra.modal.app_model import AppClass, AppFunction, AppImage, AppInputs, AppSchedule, AppWeb, WebKind
from infra.modal.rules import is_known, known_items

_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?")
_MINOR = re.compile(r"3\.\d{1,2}t?")
_CRON = re.compile(r"\s*([0-9A-Za-z*/,-]+\s+){4}[0-9A-Za-z*/,-]+\s*")
_CLOUDS = ("aws", "gcp", "oci", "azure", "auto")

# Modal's own names of before. The guide that this project follows still has two of them.
_OLD_NAMES = {
    "container_idle_timeout": ("containerIdleTimeout", "scaledownWindowS"),
    "concurrency_limit": ("concurrencyLimit", "maxContainers"),
    "keep_warm": ("keepWarm", "minContainers"),
    "allow_concurrent_inputs": ("allowConcurrentInputs", "maxConcurrentInputs"),
}

_SERIALIZED = (
    "Modal serializes a class differently each time, so every `pulumi up` would deploy a new version. Fix: remove it; "
    "the code is deployed as the files in source"
)

Items = list[tuple[str, str, AppFunction | AppClass]]


def failures(ctx: CheckContext, inputs: AppInputs) -> list[Failure]:
    services = _services(inputs)
    found = [
        *rules.name("name", inputs.name),
        *rules.environment("environment", inputs.environment),
        *rules.tags(inputs.tags),
        *rules.variables("env", inputs.env),
        *_secret_env(ctx, inputs),
        *(_image("image", inputs.image) if is_known(inputs.image) else []),
        *_content(inputs, services),
    ]
    for path, name, service in services:
        found += rules.identifier(path, name)
        found += _service(path, service)
        found += _function(path, service) if isinstance(service, AppFunction) else _class(path, service)
    return found


def complete(inputs: AppInputs) -> bool:
    """Whether nothing that the module is made of waits for another resource."""
    outside = {"name", "tags", "intent", "strategy", "environment", "module"}
    picture = inputs.model_dump(exclude=outside, exclude_none=True, warnings=False)
    return not _has_unknown(picture)


def _has_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_has_unknown(item) for item in value)
    return value is not None and not is_known(value)


def _secret_env(ctx: CheckContext, inputs: AppInputs) -> Iterator[Failure]:
    """An environment is part of the module and of the image, where everybody can read it who can see the app."""
    tree = inputs.model_dump(by_alias=True, warnings=False)
    for path in ctx.secrets:
        if path[0] != "intent" and ("env" in path or _has_env(_at(tree, path))):
            yield Failure(
                show_path(path),
                "is secret, and env is part of the image. Fix: put it into a Secret, and name that in secrets",
            )


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        try:
            tree = tree[step]
        except (LookupError, TypeError):
            return None
    return tree


def _has_env(value: Any) -> bool:
    return isinstance(value, Mapping) and (bool(value.get("env")) or any(map(_has_env, value.values())))


def _services(inputs: AppInputs) -> Items:
    found: Items = [(f"functions.{name}", name, item) for name, item in known_items(inputs.functions)]
    return found + [(f"classes.{name}", name, item) for name, item in known_items(inputs.classes)]


def _content(inputs: AppInputs, services: Items) -> Iterator[Failure]:
    if inputs.functions == {} and inputs.classes == {}:
        yield Failure("", "the app has no function and no class. Wanted: at least one of them")
    for _, name, service in services:
        if isinstance(service, AppClass) and is_known(inputs.functions) and name in inputs.functions:
            yield Failure(f"classes.{name}", f"there is a function {name} as well. Fix: rename one of them")
    if inputs.source is None:
        yield Failure("source", "not set. Wanted: the directory with the code, relative to Pulumi.yaml")
    if is_known(inputs.weights) and not inputs.weights.startswith("s3://"):
        yield Failure(
            "weights", f"{inputs.weights!r} is no address. Wanted: the uri of staged weights, s3://…"
        )


def _service(path: str, service: AppFunction | AppClass) -> Iterator[Failure]:
    for field, (old, today) in _OLD_NAMES.items():
        if getattr(service, field) is not None:
            yield Failure(f"{path}.{old}", f"{old} is what Modal called it before. Fix: use {today}")
    if service.serialized is not None:
        yield Failure(f"{path}.serialized", _SERIALIZED)
    for index, gpu in known_items(service.gpu):
        yield from rules.gpu(f"{path}.gpu[{index}]", gpu)
    for field, limit in (("cpu", "cpu_limit"), ("memory_mib", "memory_limit_mib")):
        asked, most = getattr(service, field), getattr(service, limit)
        if is_known(asked) and is_known(most) and most < asked:
            yield Failure(
                f"{path}.{_wire(limit)}", f"found {most:g}. Wanted: at least {_wire(field)} ({asked:g})"
            )
    yield from _autoscaler(path, service)
    yield from rules.within(f"{path}.timeoutS", service.timeout_s, "timeout_s")
    yield from rules.within(f"{path}.startupTimeoutS", service.startup_timeout_s, "timeout_s")
    yield from _concurrency(path, service)
    if is_known(service.cloud) and service.cloud not in _CLOUDS:
        yield Failure(
            f"{path}.cloud", f"{service.cloud!r} is no cloud of Modal. Wanted: {', '.join(_CLOUDS)}"
        )
    yield from _mounts(path, service)
    yield from rules.variables(f"{path}.env", service.env)
    if is_known(service.image):
        yield from _image(f"{path}.image", service.image)
    if service.gpu_snapshot is True and service.memory_snapshot is False:
        yield Failure(f"{path}.gpuSnapshot", "without memorySnapshot there is no snapshot. Fix: set both")
    if is_known(service.web):
        yield from rules.label(f"{path}.web.label", service.web.label)
        for index, domain in known_items(service.web.custom_domains):
            yield from rules.domain(f"{path}.web.customDomains[{index}]", domain)


def _autoscaler(path: str, service: AppFunction | AppClass) -> Iterator[Failure]:
    lowest, most = service.min_containers, service.max_containers
    yield from rules.within(f"{path}.minContainers", lowest, "workers_min")
    yield from rules.within(f"{path}.maxContainers", most, "workers_max")
    yield from rules.within(f"{path}.bufferContainers", service.buffer_containers, "workers_buffer")
    yield from rules.within(f"{path}.scaledownWindowS", service.scaledown_window_s, "idle_timeout_s")
    if is_known(lowest) and is_known(most) and most < lowest:
        yield Failure(f"{path}.maxContainers", f"found {most}. Wanted: at least minContainers ({lowest})")


def _concurrency(path: str, service: AppFunction | AppClass) -> Iterator[Failure]:
    most, target = service.max_concurrent_inputs, service.target_concurrent_inputs
    yield from rules.within(f"{path}.maxConcurrentInputs", most, "concurrency")
    yield from rules.at_least(f"{path}.targetConcurrentInputs", target, 1)
    if target is not None and most is None:
        yield Failure(
            f"{path}.targetConcurrentInputs", "has no effect alone. Fix: set maxConcurrentInputs as well"
        )
    if is_known(most) and is_known(target) and target > most:
        yield Failure(
            f"{path}.targetConcurrentInputs", f"found {target}. Wanted: at most maxConcurrentInputs ({most})"
        )
    if is_known(most) and most > 1 and service.single_use_containers is True:
        yield Failure(
            f"{path}.singleUseContainers",
            "a container that takes one input takes no two at once. Fix: remove one",
        )


def _mounts(path: str, service: AppFunction | AppClass) -> Iterator[Failure]:
    seen: dict[str, str] = {}
    places: set[str] = set()
    for target, volume in known_items(service.volumes):
        where = f"{path}.volumes.{target}"
        yield from rules.mount_path(where, target)
        yield from rules.name(f"{where}.name", volume.name)
        yield from rules.sub_path(f"{where}.subPath", volume.sub_path)
        yield from _twice(where, target, places)
        if is_known(volume.name):
            if volume.name in seen:
                yield Failure(
                    where,
                    f"volume {volume.name} is mounted at {seen[volume.name]} already. Wanted: once per function",
                )
            seen[volume.name] = target
    for target, name in known_items(service.network_file_systems):
        yield from _twice(f"{path}.networkFileSystems.{target}", target, places)
        yield from rules.mount_path(f"{path}.networkFileSystems.{target}", target)
        yield from rules.name(f"{path}.networkFileSystems.{target}", name)
    for index, secret in known_items(service.secrets):
        yield from rules.name(f"{path}.secrets[{index}].name", secret.name)


def _twice(path: str, target: str, places: set[str]) -> Iterator[Failure]:
    place = target.rstrip("/")
    if place in places:
        yield Failure(path, f"something is mounted at {place} already. Wanted: another path")
    places.add(place)


def _function(path: str, function: AppFunction) -> Iterator[Failure]:
    if function.entry == "":
        yield Failure(f"{path}.entry", "not set. Wanted: file.py:function")
    if is_known(function.schedule):
        yield from _schedule(f"{path}.schedule", function.schedule)
    yield from rules.at_least(f"{path}.batchMaxSize", function.batch_max_size, 1)
    yield from rules.at_least(f"{path}.batchWaitMs", function.batch_wait_ms, 0)
    if function.batch_wait_ms is not None and function.batch_max_size is None:
        yield Failure(f"{path}.batchWaitMs", "has no effect alone. Fix: set batchMaxSize as well")
    if not is_known(function.web):
        return
    yield from _web(f"{path}.web", function.web)
    for field in ("retries", "schedule", "batch_max_size"):
        if getattr(function, field) is not None:
            yield Failure(
                f"{path}.{_wire(field)}",
                "Modal offers it for functions that are called, not for web endpoints. Fix: remove it",
            )


def _web(path: str, web: AppWeb) -> Iterator[Failure]:
    if web.kind is None:
        kinds = ", ".join(kind.value for kind in WebKind)
        yield Failure(f"{path}.kind", f"not set. Wanted: how the function serves HTTP, one of {kinds}")
    methods = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
    if is_known(web.method) and web.method not in methods:
        yield Failure(
            f"{path}.method", f"{web.method!r} is no HTTP method. Wanted: one of {', '.join(methods)}"
        )


def _class(path: str, cls: AppClass) -> Iterator[Failure]:
    if is_known(cls.web) and cls.web.kind is not None:
        yield Failure(f"{path}.web.kind", "a handler class always answers JSON. Fix: remove kind")


def _schedule(path: str, schedule: AppSchedule) -> Iterator[Failure]:
    if (schedule.cron is None) == (schedule.period_s is None):
        yield Failure(path, "wanted: exactly one of cron and periodS")
    yield from rules.time_zone(f"{path}.timezone", schedule.timezone)
    if is_known(schedule.cron) and not _CRON.fullmatch(schedule.cron):
        yield Failure(
            f"{path}.cron", f"{schedule.cron!r} is no cron line. Wanted: five fields, such as 0 9 * * 1"
        )


def _image(path: str, image: AppImage) -> Iterator[Failure]:
    yield from rules.pinned(f"{path}.registry", image.registry)
    yield from rules.variables(f"{path}.env", image.env)
    if image.registry is None:
        for field in ("registry_secret", "add_python"):
            if getattr(image, field) is not None:
                yield Failure(f"{path}.{_wire(field)}", "has no effect without registry. Fix: remove it")
    for index, package in known_items(image.pip):
        if reason := rules.unpinned(package):
            yield Failure(f"{path}.pip[{index}]", reason)
    if image.pip is not None and image.requirements is not None:
        yield Failure(f"{path}.requirements", "pip is set as well. Fix: remove one of them")
    for index, package in known_items(image.apt):
        if not _DEBIAN.fullmatch(package):
            yield Failure(
                f"{path}.apt[{index}]", f"{package!r} is no Debian package. Wanted: a name such as git"
            )
    if is_known(image.python) and not _MINOR.fullmatch(image.python):
        yield Failure(f"{path}.python", f"found {image.python!r}. Wanted: a minor version such as 3.11")
    for target, _ in known_items(image.files):
        if not target.startswith("/") or ".." in target.split("/") or not target.isprintable():
            yield Failure(f"{path}.files.{target}", f"{target!r} is no absolute path in the container")


def _wire(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(part.capitalize() for part in rest)
