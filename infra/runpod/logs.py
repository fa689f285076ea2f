"""The last lines of a worker or a pod, from RunPod's event stream of them."""

import json

from infra.runpod.client import RunPodClient

PATIENCE_S = 2.0
"""The stream never ends by itself: after this silence what came is all there is."""


async def last(client: RunPodClient, path: str, count: int = 10, patience_s: float = PATIENCE_S) -> list[str]:
    """Oldest first; empty when they cannot be had. Never raises: it explains another error."""
    payloads = await client.lines(path, {"tail": str(count)}, limit=count, patience_s=patience_s)
    lines = []
    for payload in payloads:
        try:
            lines.append(str(json.loads(payload)["line"]).rstrip())
        except (ValueError, KeyError, TypeError):
            continue
    return lines
