"""RunPod's own description of REST v2, which lies beside the checkout or nowhere: it is not ours to keep."""

import json
import os
from pathlib import Path
from typing import Any

PATH = Path(
    os.environ.get("PILOTLIGHT_RUNPOD_OPENAPI")
    or Path(__file__).parents[4] / "shared" / "data" / "runpod-openapi-v2.json"
)


def missing() -> str:
    """Why what reads it cannot run; nothing if it can."""
    if PATH.exists():
        return ""
    return "no copy of RunPod's REST v2 description: PILOTLIGHT_RUNPOD_OPENAPI names one"


def consistent() -> dict[str, Any]:
    """The description without the one place where it contradicts itself: request URLs such as
    …/status/{job_id}, its own examples, are not of the format `uri` that it gives them."""
    description: dict[str, Any] = json.loads(PATH.read_text())
    urls = description["components"]["schemas"]["QueueBasedRequestUrls"]["properties"]
    for name in ("status", "stream", "cancel", "retry"):
        assert "{job_id}" in urls[name]["examples"][0]
        del urls[name]["format"]
    return description
