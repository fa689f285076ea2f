"""Web addresses: which label a function, a method or a server answers under."""

import hashlib
import re

from modal_proto import api_pb2

from infra.localcloud.modal.errors import invalid
from infra.localcloud.modal.model import AppRecord, WebRoute
from infra.localcloud.modal.world import World

# A label is one part of a host name on the real service.
LONGEST = 63


def assign(world: World, app: AppRecord, function_id: str, data: api_pb2.FunctionData) -> None:
    """Write addresses into the definition, also into that of each rank, and have them served."""
    name = data.function_name
    if data.webhook_config.type != api_pb2.WEBHOOK_TYPE_UNSPECIFIED:
        data.web_url, info = _route(world, app, function_id, name, "", data.webhook_config)
        data.web_url_info.CopyFrom(info)
        del data.custom_domain_info[:]
        data.custom_domain_info.extend(_domains(data.webhook_config))
    for method_name in sorted(data.method_definitions):
        method = data.method_definitions[method_name]
        if method.webhook_config.type == api_pb2.WEBHOOK_TYPE_UNSPECIFIED:
            continue
        class_name = name.removesuffix(".*")
        label_name = f"{class_name}-{method_name}"
        method.web_url, info = _route(world, app, function_id, label_name, method_name, method.webhook_config)
        method.web_url_info.CopyFrom(info)
        del method.custom_domain_info[:]
        method.custom_domain_info.extend(_domains(method.webhook_config))
    if data.is_server:
        url, _ = _route(world, app, function_id, name, "", api_pb2.WebhookConfig())
        del data.flash_service_urls[:]
        data.flash_service_urls.append(url)
    for ranked in data.ranked_functions:
        _copy(data, ranked.function)


def _route(
    world: World,
    app: AppRecord,
    function_id: str,
    name: str,
    method: str,
    config: api_pb2.WebhookConfig,
) -> tuple[str, api_pb2.WebUrlInfo]:
    info = api_pb2.WebUrlInfo()
    label = config.requested_suffix or _slug(f"{app.name or app.description}-{name}")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label):
        raise invalid(
            f"The web label '{label}' is not one: it may hold lower-case letters, digits and dashes"
        )
    suffix = world.environment(app.environment).webhook_suffix
    if suffix:
        label = f"{suffix}--{label}"
    if app.state == api_pb2.APP_STATE_EPHEMERAL:
        label = f"{label}-{config.ephemeral_suffix or 'dev'}"
    if len(label) > LONGEST:
        info.truncated = True
        label = f"{label[: LONGEST - 7].rstrip('-')}-{_short_hash(label)}"
    taken = world.web_routes.get(label)
    if taken is not None and not _may_take(world, app, taken):
        info.has_unique_hash = True
        label = f"{label[: LONGEST - 7]}-{_short_hash(function_id)}"
    domains = [domain.name for domain in config.custom_domains]
    route = WebRoute(label, function_id, method, domains)
    if taken != route:
        world.web_routes.put(route)
    return f"{world.urls.web}/w/{label}", info


def _may_take(world: World, app: AppRecord, route: WebRoute) -> bool:
    """A label stays with the app that has it, as long as that runs."""
    holder = world.functions.get(route.function_id)
    if holder is None or holder.app_id == app.app_id:
        return True
    owner = world.apps.get(holder.app_id)
    return owner is None or not owner.running


def _domains(config: api_pb2.WebhookConfig) -> list[api_pb2.CustomDomainInfo]:
    return [api_pb2.CustomDomainInfo(url=f"https://{domain.name}") for domain in config.custom_domains]


def _copy(data: api_pb2.FunctionData, function: api_pb2.Function) -> None:
    function.web_url = data.web_url
    function.web_url_info.CopyFrom(data.web_url_info)
    for part in ("custom_domain_info", "flash_service_urls"):
        del getattr(function, part)[:]
        getattr(function, part).extend(getattr(data, part))
    for name, method in data.method_definitions.items():
        function.method_definitions[name].CopyFrom(method)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "app"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
