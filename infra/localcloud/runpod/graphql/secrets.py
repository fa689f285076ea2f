"""secretCreate, secretValueUpdate, secretDescriptionUpdate, secretDelete. No answer ever has a value in it."""

from collections.abc import Callable
from typing import Any

from infra.localcloud.runpod.rest.service import RestService
from infra.localcloud.runpod.rest.times import timestamp


def secret_fields(service: RestService) -> dict[str, Callable[..., Any]]:
    book = service.secrets

    def create(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return secret_view(book.create(input["name"], input["value"], input.get("description") or ""))

    def set_value(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return secret_view(book.set_value(input["id"], input["value"]))

    def set_description(info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return secret_view(book.set_description(input["id"], input.get("description") or ""))

    def delete(info: Any, id: str) -> None:
        book.delete(id)

    return {
        "secretCreate": create,
        "secretValueUpdate": set_value,
        "secretDescriptionUpdate": set_description,
        "secretDelete": delete,
    }


def secret_view(secret: dict[str, Any]) -> dict[str, Any]:
    return secret | {"createdAt": timestamp(secret["createdAt"])}
