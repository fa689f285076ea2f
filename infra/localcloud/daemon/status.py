"""The status of the local cloud as text."""

import json
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
        f"modal        {found['modal']['url']}  (web endpoints at {found['modal']['webUrl']}/w/…)",
    ]
    if found["settings"]:
        lines.append(f"settings     {json.dumps(found['settings'])}")
    for endpoint in found["endpoints"]:
        lines += ["", *_endpoint(endpoint)]
    for pod in found["pods"]:
        lines += ["", *_pod(pod)]
    for volume in found["volumes"]:
        size = f"{volume['size_gb']} GB in {volume['data_center']}"
        lines += [
            "",
            f"volume {volume['name']} ({volume['id']})",
            f"  {size}, ${volume['usd']}",
            f"  {volume['path']}",
        ]
    for app in found["modal"]["apps"]:
        lines += ["", *_app(app)]
    return "\n".join(lines)


def _endpoint(endpoint: Mapping[str, Any]) -> list[str]:
    lines = [
        f"endpoint {endpoint['name']} ({endpoint['id']})",
        f"  image    {endpoint['image']}",
        f"  jobs     {endpoint['in_queue']} queued, {endpoint['in_progress']} running, "
        f"{endpoint['completed']} completed, {endpoint['failed']} failed",
        f"  cost     ${endpoint['usd']} for {endpoint['worker_seconds']} worker seconds",
        f"  workers  {len(endpoint['workers'])} (min {endpoint['workers_min']}, max {endpoint['workers_max']})",
    ]
    for worker in endpoint["workers"]:
        reason = f": {worker['reason']}" if worker["reason"] else ""
        lines.append(
            f"    {worker['id']}  {worker['status']}{reason}  {worker['hardware']}  up {_duration(worker['uptime_s'])}"
        )
    return lines


def _pod(pod: Mapping[str, Any]) -> list[str]:
    reason = f": {pod['reason']}" if pod["reason"] else ""
    return [
        f"pod {pod['name']} ({pod['id']})",
        f"  image    {pod['image']}",
        f"  status   {pod['status']}{reason}",
        f"  machine  {pod['hardware']} in {pod['data_center']}",
        f"  cost     ${pod['usd']}",
        *(f"  port     {declared} at {address}" for declared, address in pod["ports"].items()),
    ]


def _app(app: Mapping[str, Any]) -> list[str]:
    lines = [f"modal app {app['name']} ({app['id']}, environment {app['environment']}, v{app['version']})"]
    for function in app["functions"]:
        limits = f"min {function['containers_min']}, max {function['containers_max'] or 'none'}"
        lines.append(
            f"  {function['name']}  {function['queued']} queued, {function['running']} running, "
            f"{function['containers']} containers ({limits})"
            + (f", {function['gpu']}" if function["gpu"] else "")
        )
        lines += [f"    {url}" for url in function["web_urls"]]
    for container in app["containers"]:
        reason = f": {container['reason']}" if container["reason"] else ""
        lines.append(
            f"    {container['id']}  {container['function']}  {container['state']}{reason}  "
            f"up {_duration(container['uptime_s'])}"
        )
    return lines


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
