"""The tree of an image, made of links into its unpacked layers: a directory that one layer alone fills is one link."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.localcloud.runpod.workers.unpack import Layer


def assemble(layers: Sequence[Layer], target: Path) -> Path:
    """`layers` from the lowest to the highest. An existing `target` is complete and kept."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".assembling-", dir=target.parent))
        try:
            _merge("", list(reversed(layers)), scratch)
            scratch.chmod(0o755)
            scratch.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return target


def _merge(folder: str, layers: Sequence[Layer], target: Path) -> None:
    """Fill `target` with what `layers` (highest first) have in `folder`."""
    done: set[str] = set()
    for index, layer in enumerate(layers):
        for name in sorted(os.listdir(layer.root / folder)):
            if name in done:
                continue
            done.add(name)
            path = os.path.join(folder, name)
            sources = _sources(path, layers[index:])
            if len(sources) > 1:
                (target / name).mkdir()
                _merge(path, sources, target / name)
            elif (here := layer.root / path).is_symlink():
                os.symlink(os.readlink(here), target / name)
            else:
                os.symlink(here, target / name)
        done |= {os.path.basename(path) for path in layer.removed if os.path.dirname(path) == folder}


def _sources(path: str, layers: Sequence[Layer]) -> list[Layer]:
    """The layers whose directory `path` shows, from the highest down to where something covers the rest. A file or link
    on top stands alone."""
    sources: list[Layer] = []
    for layer in layers:
        here = layer.root / path
        if here.is_symlink() or here.is_file():
            return sources or [layer]
        if here.is_dir():
            sources.append(layer)
        if path in layer.opaque or path in layer.removed:
            break
    return sources
