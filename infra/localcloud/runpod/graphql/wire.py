"""How GraphQL writes what REST v2 writes otherwise: environments as pairs, lists as comma-separated text."""

from typing import Any


def pairs(env: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in env.items()]


def environment(given: list[dict[str, str]] | None) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in given or ()}


def split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def container(input: dict[str, Any]) -> dict[str, Any]:
    """The container settings that an input has, under the names of REST v2."""
    body: dict[str, Any] = {}
    if input.get("imageName"):
        body["image"] = input["imageName"]
    if input.get("dockerArgs") is not None:
        body["args"] = input["dockerArgs"]
    if input.get("containerDiskInGb") is not None:
        body["disk"] = max(1, input["containerDiskInGb"])
    if input.get("ports") is not None:
        body["ports"] = split(input["ports"])
    if input.get("env") is not None:
        body["env"] = environment(input["env"])
    if input.get("containerRegistryAuthId") is not None:
        body["registry"] = input["containerRegistryAuthId"]
    return body
