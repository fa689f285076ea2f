"""The ports of this checkout's cloud: chosen once, then kept, because deployed things remember them."""

import contextlib
import errno
import random
import socket
from collections.abc import Callable, Mapping

from infra.spec.errors import PilotlightError

from .files import read_json, write_json
from .paths import CloudPaths
from .process import listener

USES = {
    "api": "RunPod API",
    "registry": "image registry",
    "s3": "object storage",
    "runpod_s3": "S3 API of RunPod's network volumes",
    "modal": "Modal API",
    "modal_web": "Modal web endpoints",
}
# Below the range that Linux gives to outgoing connections (32768 and up), so none of those can sit on a port of ours.
RANGE = range(20_000, 32_000)


class PortTaken(PilotlightError):
    """A recorded port has another owner, and something depends on it."""


def claim(
    paths: CloudPaths, depends: Mapping[str, Callable[[], str]], say: Callable[[str], None]
) -> dict[str, socket.socket]:
    """Bind every port of `USES` on 127.0.0.1, and record them.

    `depends[use]()` says what would break if that port changed, or "". A recorded port that is taken is replaced only
    if nothing would; otherwise PortTaken.
    """
    recorded = read_json(paths.ports)
    known = recorded if isinstance(recorded, dict) else {}
    bound: dict[str, socket.socket] = {}
    with contextlib.ExitStack() as on_failure:
        for use, label in USES.items():
            port = known.get(use)
            found = bind(port) if isinstance(port, int) else None
            if found is None and port is not None:
                _refuse_if_needed(use, label, port, depends[use]())
            bound[use] = found or _bind_free()
            on_failure.callback(bound[use].close)
            if found is None and port is not None:
                say(f"port {port} ({label}) is taken by {listener(port)}; took {number(bound[use])} instead")
        on_failure.pop_all()
    chosen = {use: number(bound[use]) for use in USES}
    if chosen != known:
        write_json(paths.ports, chosen)
    return bound


def bind(port: int) -> socket.socket | None:
    """A socket bound to the port, not yet listening; None if the port is taken."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        # Two bound sockets may share a port until one of them listens; only then is it ours.
        bound.listen(128)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return bound


def number(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def _bind_free() -> socket.socket:
    for port in random.sample(RANGE, 200):
        found = bind(port)
        if found is not None:
            return found
    raise PortTaken(
        f"no free port found on 127.0.0.1 among 200 tried from {RANGE.start} to {RANGE.stop - 1}",
        fix="stop what occupies them",
    )


def _refuse_if_needed(use: str, label: str, port: int, reason: str) -> None:
    if reason:
        raise PortTaken(
            f"port {port} of this checkout's local cloud ({label}) is taken by {listener(port)}",
            wanted=f"that very port, because {reason}",
            fix="stop that process; or give the port up: `pilotlight cloud reset --ports`, then `pilotlight cloud up` "
            "and `pulumi up --refresh`",
        )
