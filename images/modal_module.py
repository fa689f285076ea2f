"""The Modal template filled in: every value becomes a literal, every setting a keyword argument of Modal's own API."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from images.errors import ImageError
from images.function import FunctionInfo
from images.handler import HandlerInfo, Kind
from images.modal import (
    Code,
    ModalApp,
    ModalImage,
    ModalService,
    ModalWeb,
    WebKind,
    image_of,
    module_name,
    read_code,
    streams,
)
from images.render import RenderOptions, fill, template_of


class Source(str):
    """A piece of Python. As a value in the template it stands for itself and not for a string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def render_module(directory: Path | str, options: RenderOptions) -> dict[str, bytes]:
    """`{"pl_<hash>.py": text}`. Without `options.app`: one handler class `Model` with a web endpoint. Raises ImageError."""
    app = options.app or ModalApp(
        "app", classes=(ModalService("Model", options.entry, web=ModalWeb()),), root=Path(directory)
    )
    code, problems = read_code(directory, app)
    if problems:
        texts = tuple(f"{where}: {reason}" if where else reason for where, reason in problems)
        raise ImageError("; ".join(texts), fix="see docs/handler-contract.md", problems=texts)
    return {f"{module_name(app, code)}.py": module_text(app, code)}


def module_text(app: ModalApp, code: Code) -> bytes:
    """The module. What the autoscaler is told is in it too, though not in its name."""
    images: dict[str, dict[str, Any]] = {}
    functions = [_function(app, service, code.functions[service.name], images) for service in app.functions]
    classes = [_class(app, service, code.classes[service.name], images) for service in app.classes]
    values = {
        "version": template_of("modal").version,
        "name": app.name,
        "files": [(path, _content(data)) for path, data in code.files.items()],
        "images": list(images.values()),
        "functions": functions,
        "classes": classes,
    }
    return fill("modal/app.py.j2", values, finalize=ascii)


def call(function: str, *args: Any, **kwargs: Any) -> Source:
    """A call as source, without the keywords that are None."""
    given = [ascii(arg) for arg in args]
    given += [f"{key}={value!a}" for key, value in kwargs.items() if value is not None]
    return Source(f"{function}({', '.join(given)})")


def _content(data: bytes) -> str | bytes:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    return text if text.encode() == data else data


def _function(
    app: ModalApp, service: ModalService, info: FunctionInfo, images: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    decorators = [*_batched(service), *_concurrent(service)]
    target = f"modal_entry.function(_CODE, {info.file!a}, {info.name!a})"
    head, body = _wrapper(service.name, target, info.kind)
    web = service.web
    if web is not None:
        decorators.append(_web(web, web.kind))
        head = f"def {service.name}():"
        body = f"return {target}()"
        if web.kind is WebKind.FASTAPI:
            where = (Source("_CODE"), info.file, info.name)
            body = f"return {call('modal_entry.fastapi', *where, method=web.method, docs=web.docs)}"
    elif service.batch_max_size is not None:
        # Modal sorts the arguments of a batch by the names in the signature.
        names = ", ".join(info.parameters)
        head = head.replace("(*args, **kwargs)", f"({names})")
        body = body.replace("(*args, **kwargs)", f"({names})")
    return {
        "name": service.name,
        "options": _options(app, service, images),
        "decorators": decorators,
        "head": Source(head),
        "body": Source(body),
    }


def _wrapper(name: str, target: str, kind: Kind) -> tuple[str, str]:
    given = "(*args, **kwargs)"
    if kind is Kind.GENERATOR:
        return f"def {name}{given}:", f"yield from {target}{given}"
    if kind is Kind.ASYNC:
        return f"async def {name}{given}:", f"return await {target}{given}"
    if kind is Kind.ASYNC_GENERATOR:
        return f"async def {name}{given}:", f"async for item in {target}{given}:\n        yield item"
    return f"def {name}{given}:", f"return {target}{given}"


def _class(
    app: ModalApp, service: ModalService, info: HandlerInfo, images: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    arguments = {
        "streams": streams(info),
        "config": info.config,
        "concurrency": service.max_inputs or 1,
    }
    given = ", ".join(f"{key}={value!a}" for key, value in arguments.items())
    snapshot, enter = "", "start"
    if service.memory_snapshot:
        # A GPU is there only after the snapshot was restored, unless its memory is part of it.
        whole = service.gpu_snapshot or not service.options.get("gpu")
        snapshot, enter = ("start", "") if whole else ("prepare", "load")
    return {
        "variable": Source(service.name),
        "options": _options(app, service, images),
        "decorators": _concurrent(service),
        "arguments": Source(f"{info.file!a}, {info.class_name!a}, {given}"),
        "snapshot": Source(snapshot),
        "enter": Source(enter),
        "streams": streams(info),
        "web": _web(service.web, WebKind.ASGI) if service.web else "",
    }


def _options(app: ModalApp, service: ModalService, images: dict[str, dict[str, Any]]) -> list[Source]:
    given: dict[str, Any] = {"image": _image(image_of(app, service), app.root, images), **service.options}
    given["volumes"] = {
        path: Source(
            call("modal.Volume.from_name", mount.name)
            + _mount_options(read_only=mount.read_only or None, sub_path=mount.sub_path)
        )
        for path, mount in service.volumes.items()
    }
    given["network_file_systems"] = {
        path: call("modal.NetworkFileSystem.from_name", name)
        for path, name in service.network_file_systems.items()
    }
    given["secrets"] = [
        call("modal.Secret.from_name", secret.name, required_keys=list(secret.required_keys) or None)
        for secret in service.secrets
    ]
    if service.retries is not None:
        given["retries"] = call(
            "modal.Retries",
            max_retries=service.retries.max_retries,
            backoff_coefficient=service.retries.backoff_coefficient,
            initial_delay=service.retries.initial_delay_s,
            max_delay=service.retries.max_delay_s,
        )
    if service.schedule is not None:
        schedule = service.schedule
        given["schedule"] = (
            call("modal.Cron", schedule.cron, timezone=schedule.timezone)
            if schedule.cron is not None
            else call("modal.Period", seconds=schedule.period_s)
        )
    if service.proxy is not None:
        given["proxy"] = call("modal.Proxy.from_name", service.proxy)
    if service.memory_snapshot:
        given["enable_memory_snapshot"] = True
    if service.gpu_snapshot:
        given["experimental_options"] = {
            **(given.get("experimental_options") or {}),
            "enable_gpu_snapshot": True,
        }
    return [Source(f"{key}={value!a}") for key, value in given.items() if value not in (None, {}, [])]


def _mount_options(**options: Any) -> str:
    return str(call(".with_mount_options", **options)) if any(options.values()) else ""


def _image(image: ModalImage, root: Path | None, images: dict[str, dict[str, Any]]) -> Source:
    chain, files = _chain(image), _files(image.files, root)
    key = chain + files
    if key not in images:
        images[key] = {
            "variable": Source(f"_image_{len(images)}"),
            "chain": Source(chain),
            "files": Source(files),
        }
    variable: Source = images[key]["variable"]
    return variable


def _chain(image: ModalImage) -> str:
    if image.registry is not None:
        secret = call("modal.Secret.from_name", image.registry_secret) if image.registry_secret else None
        steps = [
            call("modal.Image.from_registry", image.registry, secret=secret, add_python=image.add_python),
            # An entrypoint that does not hand over to its arguments would keep Modal's own from starting.
            call(".entrypoint", []),
        ]
    else:
        steps = [call("modal.Image.debian_slim", python_version=image.python)]
    if image.apt:
        steps.append(call(".apt_install", *image.apt))
    if image.pip:
        steps.append(call(".uv_pip_install" if image.uv else ".pip_install", *image.pip))
    if image.commands:
        steps.append(call(".run_commands", *image.commands))
    if image.env:
        steps.append(call(".env", dict(sorted(image.env.items()))))
    return "".join(steps)


def _files(files: Mapping[str, str], root: Path | None) -> str:
    steps = []
    for target, local in sorted(files.items()):
        kind = ".add_local_dir" if ((root or Path()) / local).is_dir() else ".add_local_file"
        steps.append(call(kind, call("_local", local), target))
    return "".join(steps)


def _batched(service: ModalService) -> list[Source]:
    if service.batch_max_size is None:
        return []
    wait = service.batch_wait_ms or 0
    return [call("modal.batched", max_batch_size=service.batch_max_size, wait_ms=wait)]


def _concurrent(service: ModalService) -> list[Source]:
    if service.max_inputs is None:
        return []
    return [call("modal.concurrent", max_inputs=service.max_inputs, target_inputs=service.target_inputs)]


def _web(web: ModalWeb, kind: WebKind) -> Source:
    options: dict[str, Any] = {
        "label": web.label,
        "custom_domains": list(web.custom_domains) or None,
        "requires_proxy_auth": web.requires_proxy_auth or None,
    }
    if kind is WebKind.SERVER:
        return call("modal.web_server", web.port, startup_timeout=web.startup_timeout_s, **options)
    return call("modal.wsgi_app" if kind is WebKind.WSGI else "modal.asgi_app", **options)
