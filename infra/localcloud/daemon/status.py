"""The status of the local cloud as text."""

from collections.abc import Mapping
from typing import Any


def text(found: Mapping[str, Any]) -> str:
    """From the snapshot that `/_local/status` answers."""
    store = found["objectStore"]
    lines = [
        f"local cloud  {found['url']}  (pid {found['pid']}, up {_duration(found['uptimeSeconds'])}, "
        f"{found['residentBytes'] / 2**20:.0f} MB)",
        f"registry     {found['registry']['url']}",
        f"storage      {store['url']}  ({store['status']}"
        + (f", restarted {store['restarts']} times)" if store["restarts"] else ")"),
    ]
    if found["settings"]:
        lines.append(f"settings     {found['settings']}")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
