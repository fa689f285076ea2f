"""/v2/catalog/templates: the public templates that the local cloud knows.

Names and images as the official SDK 1.12.0 and docs.runpod.io use them (2026-08). Their images are not in the local
registry, so a pod made from one ends in ERROR with that reason unless it brings an image of its own.
"""

from typing import Any

from aiohttp import web

from infra.localcloud.runpod.rest import query
from infra.localcloud.runpod.rest.container import defaults

_OFFICIAL = {
    "runpod-ubuntu": ("Runpod Ubuntu", "runpod/base:0.5.1-cpu", "CPU"),
    "runpod-torch-v21": (
        "Runpod Pytorch 2.1",
        "runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04",
        "NVIDIA",
    ),
}


def find(template_id: str) -> dict[str, Any] | None:
    if template_id not in _OFFICIAL:
        return None
    name, image, category = _OFFICIAL[template_id]
    return defaults() | {
        "id": template_id,
        "name": name,
        "image": image,
        "ports": ["8888/http", "22/tcp"],
        "mounts": {},
        "serverless": False,
        "public": True,
        "category": category,
        "startSsh": True,
        "startJupyter": True,
        "allowedCudaVersions": [],
    }


async def list_public(request: web.Request) -> web.Response:
    from infra.localcloud.runpod.rest.templates import template_view

    source = query.one(request, "source", ("official", "verified", "community")) or "official"
    shown = [find(id) for id in _OFFICIAL] if source == "official" else []
    return web.json_response({"templates": [template_view(template) for template in shown if template]})
