"""Asks RunPod to stop the pod that this process runs in: a pod is billed until then, whatever runs in it."""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

_TRIES = 5


def stop_own_pod(
    environment: Mapping[str, str],
    *,
    base_url: str = "https://api.runpod.io",
    wait: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether it is being stopped. Outside a pod there is nothing to stop; what stands in the way is said, not raised."""
    pod, key = environment.get("RUNPOD_POD_ID"), environment.get("RUNPOD_API_KEY")
    if not pod or not key:
        return False
    base = environment.get("RUNPOD_API_BASE_URL", base_url).rstrip("/")
    request = urllib.request.Request(
        f"{base}/v2/pods/{pod}/action",
        data=json.dumps({"action": "stop"}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    why = ""
    for attempt in range(_TRIES):
        if attempt:
            wait(2.0**attempt)
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            why = f"RunPod answered {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except OSError as error:
            why = str(error)
        else:
            return True
    sys.stderr.write(
        f"the pod goes on and is billed: it could not be stopped ({why}). Stop it in the console.\n"
    )
    return False
