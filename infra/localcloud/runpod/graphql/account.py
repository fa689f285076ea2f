"""myself, updateUserSettings."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from infra.localcloud.runpod.graphql.endpoints import endpoint_view
from infra.localcloud.runpod.graphql.flash import app_view
from infra.localcloud.runpod.graphql.pods import pod_view
from infra.localcloud.runpod.graphql.secrets import secret_view
from infra.localcloud.runpod.graphql.templates import template_view
from infra.localcloud.runpod.graphql.volumes import volume_view
from infra.localcloud.runpod.rest.delegations import USER_ID
from infra.localcloud.runpod.rest.registries import registry_view
from infra.localcloud.runpod.rest.service import RestService

MAX_ENDPOINTS = 400  # what the real `myself { endpoints }` is capped at


def account_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    def update(info: Any, input: dict[str, Any] | None = None) -> dict[str, Any]:
        if input and input.get("pubKey") is not None:
            service.ssh_keys.replace([line.strip() for line in input["pubKey"].splitlines() if line.strip()])
        return _user(service)

    return {"myself": lambda info: _user(service), "updateUserSettings": update}


def _user(service: RestService) -> dict[str, Any]:
    def endpoint(info: Any, id: str) -> dict[str, Any] | None:
        found = service.store.endpoint(id)
        return None if found is None else endpoint_view(service, found)

    def endpoints(info: Any) -> list[dict[str, Any]]:
        return [endpoint_view(service, row) for row in service.store.endpoints()[:MAX_ENDPOINTS]]

    def spend(info: Any) -> float:
        rates = [service.ledger.rates("pod", pod["id"]) for pod in service.pods.rows.all()]
        return float(sum((sum(rate.values(), Decimal(0)) for rate in rates), Decimal(0)) * 3600)

    return {
        "id": USER_ID,
        "email": "local@pilotlight.internal",
        "pubKey": "\n".join(service.ssh_keys.keys()),
        "clientBalance": 0.0,
        "currentSpendPerHr": spend,
        "spendLimit": 80.0,
        "endpoint": endpoint,
        "endpoints": endpoints,
        "pods": lambda info: [pod_view(service, row) for row in service.pods.rows.all()],
        "networkVolumes": lambda info: [volume_view(row) for row in service.volumes.rows.all()],
        "podTemplates": lambda info: [template_view(row) for row in service.templates.rows.all()],
        "containerRegistryCreds": lambda info: [registry_view(row) for row in service.registries.rows.all()],
        "secrets": lambda info: [secret_view(secret) for secret in service.secrets.all()],
        "flashApps": lambda info: [app_view(service, row) for row in service.flash_apps.all()],
    }
