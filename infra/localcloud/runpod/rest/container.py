"""The container settings that templates, pods, clusters and endpoints share: rules, defaults and merging."""

import re
from typing import Any

from infra.localcloud.runpod.rest.problems import bad_request
from infra.localcloud.runpod.rest.schema import Rule, array, integer, mapping, nullable, text

BASE_CONTAINER: dict[str, Rule] = {
    "image": text(),
    "args": text(),
    "disk": integer(1),
    "ports": array(text()),
    "env": mapping(text()),
}
CONTAINER: dict[str, Rule] = BASE_CONTAINER | {"registry": nullable(text(), "string")}
CUDA = r"^\d+\.\d+$"

DEFAULT_DISK_GB = 20


def defaults() -> dict[str, Any]:
    return {"args": "", "disk": DEFAULT_DISK_GB, "ports": [], "env": {}, "registry": None}


def container_of(old: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The container fields of `old` with those of a validated body over them. Raises Problem 400."""
    new = {name: old[name] for name in CONTAINER if name in old} | {
        name: body[name] for name in CONTAINER if name in body
    }
    if not new["image"]:
        raise bad_request("image must not be empty")
    new["disk"] = int(new["disk"])
    new["registry"] = new["registry"] or None
    check_ports(body.get("ports", []))
    return new


def check_ports(ports: list[str]) -> None:
    """Each is "8000/http", "22/tcp" or "9000/udp", no port twice. Raises Problem 400."""
    for port in ports:
        number = re.fullmatch(r"([0-9]{1,5})/(http|tcp|udp)", port)
        if number is None or not 1 <= int(number[1]) <= 65535:
            raise bad_request(f"ports: '{port}' is not port/protocol, such as 8000/http or 22/tcp")
    if len(set(ports)) < len(ports):
        raise bad_request("ports: a port is listed twice")
