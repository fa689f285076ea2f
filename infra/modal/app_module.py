"""From an app's declaration to the module that is deployed: names of Modal's API in place of ours."""

from pathlib import Path
from typing import Any

from images.modal import (
    Code,
    ModalApp,
    ModalImage,
    ModalMount,
    ModalRetries,
    ModalSchedule,
    ModalSecret,
    ModalService,
    ModalWeb,
    WebKind,
    module_name,
    read_code,
)
from images.packages import read_packages, read_requirements
from infra.modal import rules
from infra.modal.app_model import (
    AppClass,
    AppFunction,
    AppImage,
    AppInputs,
    AppRetries,
    AppSchedule,
    AppWeb,
)

WEIGHTS_VARIABLE = "PILOTLIGHT_WEIGHTS"


def read(root: Path | None, inputs: AppInputs) -> tuple[ModalApp, Code, list[tuple[str, str]]]:
    """The app as the template takes it, its code, and what is wrong with the code as (input in wire form, reason)."""
    listed = _Listed(root, source(root, inputs))
    app = modal_app(root, inputs, listed)
    code, problems = read_code(source(root, inputs), app)
    return app, code, [*((where or "source", reason) for where, reason in problems), *listed.problems]


def name(app: ModalApp, code: Code) -> str:
    return module_name(app, code)


def source(root: Path | None, inputs: AppInputs) -> Path:
    assert inputs.source is not None
    return (root or Path()) / Path(inputs.source).expanduser()


class _Listed:
    """Packages of the requirements files that the app's images name, each read once, and what is wrong with them."""

    def __init__(self, root: Path | None, directory: Path) -> None:
        self._root, self._directory = root or Path(), directory
        self._known: dict[str | None, tuple[str, ...]] = {}
        self.problems: list[tuple[str, str]] = []

    def of(self, file: str | None) -> tuple[str, ...]:
        if file not in self._known:
            self._known[file] = self._read(file)
        return self._known[file]

    def _read(self, file: str | None) -> tuple[str, ...]:
        name = file or "requirements.txt"
        try:
            lines = read_packages(self._directory) if file is None else read_requirements(self._root / file)
        except (OSError, ValueError) as error:
            self.problems.append(("image.requirements", f"{name} cannot be read: {error}"))
            return ()
        where = "source" if file is None else "image.requirements"
        self.problems += [(where, f"{name}: {reason}") for reason in filter(None, map(rules.unpinned, lines))]
        return lines


def modal_app(root: Path | None, inputs: AppInputs, packages: _Listed) -> ModalApp:
    weights = {WEIGHTS_VARIABLE: inputs.weights} if inputs.weights else {}
    return ModalApp(
        name=str(inputs.name),
        image=_image(inputs.image, packages),
        env={**inputs.env, **weights},
        functions=tuple(
            _function(name, service, packages) for name, service in sorted(inputs.functions.items())
        ),
        classes=tuple(_service(name, service, packages) for name, service in sorted(inputs.classes.items())),
        root=root,
    )


def _function(name: str, function: AppFunction, packages: _Listed) -> ModalService:
    return _service(
        name,
        function,
        packages,
        schedule=_schedule(function.schedule),
        batch_max_size=function.batch_max_size,
        batch_wait_ms=function.batch_wait_ms,
    )


def _service(name: str, service: AppFunction | AppClass, packages: _Listed, **more: Any) -> ModalService:
    return ModalService(
        name=name,
        entry=service.entry or None,
        image=_image(service.image, packages) if service.image else None,
        env=service.env,
        options=_options(service),
        volumes={
            path: ModalMount(volume.name, volume.sub_path, volume.read_only)
            for path, volume in sorted(service.volumes.items())
        },
        network_file_systems=dict(sorted(service.network_file_systems.items())),
        secrets=tuple(ModalSecret(secret.name, tuple(secret.required_keys)) for secret in service.secrets),
        retries=_retries(service.retries),
        proxy=service.proxy,
        max_inputs=service.max_concurrent_inputs,
        target_inputs=service.target_concurrent_inputs,
        web=_web(service.web),
        memory_snapshot=service.memory_snapshot,
        gpu_snapshot=service.gpu_snapshot,
        **more,
    )


def _options(service: AppFunction | AppClass) -> dict[str, Any]:
    """Keyword arguments of `app.function` and `app.cls`; what is Modal's default anyway is left out."""
    given = {
        "gpu": service.gpu or None,
        "cpu": _request_and_limit(service.cpu, service.cpu_limit, 0.125),
        "memory": _request_and_limit(service.memory_mib, service.memory_limit_mib, 128),
        "ephemeral_disk": service.ephemeral_disk_mib,
        "min_containers": service.min_containers or None,
        "max_containers": service.max_containers,
        "buffer_containers": service.buffer_containers or None,
        "scaledown_window": service.scaledown_window_s,
        "timeout": service.timeout_s,
        "startup_timeout": service.startup_timeout_s,
        "region": service.regions or None,
        "cloud": service.cloud,
        "nonpreemptible": service.nonpreemptible or None,
        "block_network": service.block_network or None,
        "single_use_containers": service.single_use_containers or None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _request_and_limit(request: Any, limit: Any, default: Any) -> Any:
    return request if limit is None else (request if request is not None else default, limit)


def _image(image: AppImage, packages: _Listed) -> ModalImage:
    return ModalImage(
        registry=image.registry,
        registry_secret=image.registry_secret,
        add_python=image.add_python,
        python=image.python,
        apt=tuple(image.apt),
        pip=packages.of(image.requirements) if image.pip is None else tuple(image.pip),
        uv=image.uv,
        commands=tuple(image.commands),
        env=image.env,
        files=image.files,
    )


def _retries(retries: AppRetries | None) -> ModalRetries | None:
    if retries is None:
        return None
    return ModalRetries(
        retries.max_retries, retries.backoff_coefficient, retries.initial_delay_s, retries.max_delay_s
    )


def _schedule(schedule: AppSchedule | None) -> ModalSchedule | None:
    return None if schedule is None else ModalSchedule(schedule.cron, schedule.timezone, schedule.period_s)


def _web(web: AppWeb | None) -> ModalWeb | None:
    if web is None:
        return None
    return ModalWeb(
        kind=WebKind(web.kind.value) if web.kind else WebKind.ASGI,
        label=web.label,
        custom_domains=tuple(web.custom_domains),
        requires_proxy_auth=web.requires_proxy_auth,
        method=web.method,
        docs=web.docs,
        port=web.port,
        startup_timeout_s=web.startup_timeout_s,
    )
