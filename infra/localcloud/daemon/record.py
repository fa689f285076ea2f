"""What clients of this machine's cloud read: `.pilotlight/cloud.json`, there exactly while the daemon is ready."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import process
from .files import read_json, write_json, write_private
from .paths import CloudPaths

if TYPE_CHECKING:
    from .assembly import Cloud


def write(cloud: "Cloud") -> None:
    """Publish address and keys. The pid counts together with `pid_started`: numbers are given again."""
    keys, ports = cloud.keys, cloud.ports
    started_at = (
        datetime.fromtimestamp(cloud.started_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
    registry = f"127.0.0.1:{ports['registry']}"
    record = {
        "version": 1,
        "pid": os.getpid(),
        "pid_started": process.started(os.getpid()),
        "started_at": started_at,
        "url": cloud.url,
        "runpod": {
            "api_key": keys.api_key,
            "s3": {
                "url": f"http://127.0.0.1:{ports['runpod_s3']}",
                "access_key_id": keys.runpod_s3_access_key_id,
                "secret_access_key": keys.runpod_s3_secret_access_key,
            },
        },
        "registry": {
            "url": f"http://{registry}",
            "host": registry,
            "user": "pilotlight",
            "password": keys.registry_password,
        },
        "s3": {
            "url": f"http://127.0.0.1:{ports['s3']}",
            "access_key_id": keys.s3_access_key_id,
            "secret_access_key": keys.s3_secret_access_key,
            "region": cloud.region,
        },
        "modal": {
            "server_url": f"http://127.0.0.1:{ports['modal']}",
            "token_id": keys.modal_token_id,
            "token_secret": keys.modal_token_secret,
            "web_url": f"http://127.0.0.1:{ports['modal_web']}",
        },
    }
    _write_client_files(cloud.paths, record)
    write_json(cloud.paths.record, record)


def read(paths: CloudPaths) -> dict[str, Any] | None:
    """The record of the daemon that runs now; None if none does."""
    record = read_json(paths.record)
    if not isinstance(record, dict) or not process.alive(record.get("pid", 0), record.get("pid_started", "")):
        return None
    return record


def _write_client_files(paths: CloudPaths, record: dict[str, Any]) -> None:
    """So that no client looks into the user's own configuration and finds the real cloud there."""
    s3 = record["s3"]
    write_private(
        paths.clients / "aws-config",
        f"[default]\nregion = {s3['region']}\nendpoint_url = {s3['url']}\ns3 =\n    addressing_style = path\n",
    )
    write_private(
        paths.clients / "aws-credentials",
        f"[default]\naws_access_key_id = {s3['access_key_id']}\naws_secret_access_key = {s3['secret_access_key']}\n",
    )
    write_private(paths.clients / "modal.toml", "")
