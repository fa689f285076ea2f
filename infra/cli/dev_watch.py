"""Tells when something that an endpoint is built from has changed on this disk."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from infra.cli.dev_source import files

Fingerprint = dict[Path, tuple[int, int, int]]
_QUIET_MS = 20  # an editor writes a file in several steps: the last one is waited for
_LONGEST_MS = 400
_LOOK_MS = (
    1000  # even without a notification: network mounts send none, and a renamed directory sends no more
)
_ABSENT_S = 0.2


def fingerprint(places: Sequence[Path]) -> Fingerprint:
    """Time, size and mode of every file below directories, and of files, that are there."""
    found: Fingerprint = {}
    for place in places:
        for path in files(place) if place.is_dir() else (place,):
            try:
                stat = path.stat()
            except OSError:
                continue
            found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_mode & 0o111)
    return found


async def changes(
    places: Sequence[Path], bell: Callable[[Sequence[Path]], AsyncIterator[None]] | None = None
) -> AsyncIterator[list[Path]]:
    """The paths that came, went or changed, each time that there are some. `bell` says when to look."""
    known = fingerprint(places)
    async for _ in (bell or notified)(places):
        now = await asyncio.to_thread(fingerprint, places)
        changed = [path for path in {**known, **now} if known.get(path) != now.get(path)]
        known = now
        if changed:
            yield changed


async def notified(places: Sequence[Path]) -> AsyncIterator[None]:
    """Rings after each notification of the system and at least once a second, whatever becomes of the places."""
    import watchfiles

    while True:
        there = [place for place in places if place.exists()]
        identity = _identity(places)
        if not there:
            await asyncio.sleep(_ABSENT_S)
            yield
            continue
        try:
            async for _ in watchfiles.awatch(
                *there,
                watch_filter=None,
                step=_QUIET_MS,
                debounce=_LONGEST_MS,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
            ):
                yield
                if _identity(places) != identity:
                    break
        except (OSError, RuntimeError):
            # Gone in this moment, or the system has no notifications left to give: looking works always.
            await asyncio.sleep(_ABSENT_S)
            yield


def _identity(places: Sequence[Path]) -> list[tuple[int, int] | None]:
    """Notifications are for a directory itself, not for its name: another one under the same name is watched anew."""
    found: list[tuple[int, int] | None] = []
    for place in places:
        try:
            stat = os.stat(place)
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_dev, stat.st_ino) if place.is_dir() else (0, 0))
    return found
