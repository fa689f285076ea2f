"""Images that bring a root file system: their layers as one tree, and a process that sees it as its root."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.localcloud.core import namespace
from infra.localcloud.core.namespace import Bind, Mount, Overlay
from infra.localcloud.runpod.workers.unpack import BadLayer, Layer

_FROM_HERE = ("/etc/resolv.conf", "/etc/hosts")  # names are looked up as this machine does
_SHELL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def flatten(layers: Sequence[Layer], target: Path) -> Path:
    """One tree of all layers, the lowest first; files are shared with them (hard links). An existing one is complete."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".flattening-", dir=target.parent))
        try:
            for layer in layers:
                _take_away(layer, scratch)
                _lay(layer.root, scratch, scratch)
            scratch.chmod(0o755)
            scratch.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return target


def program(root: Path, word: str, path: str = "") -> str | None:
    """The file of the image that `word` starts; None when the image has no such program."""
    folders = [""] if "/" in word else (path or _SHELL_PATH).split(":")
    for folder in folders:
        inside = os.path.normpath("/" + os.path.join(folder, word))
        here = os.path.realpath(str(root) + inside)
        if _within(here, root) and os.path.isfile(here) and os.access(here, os.X_OK):
            return inside
    return None


def enclose(
    command: Sequence[str], tree: Path, folder: Path, cwd: str, kept: Sequence[Path], more: Sequence[Mount]
) -> list[str]:
    """The command with `tree` as its root: what it writes stays in `folder` (of the worker) and ends with it. `kept` are
    folders of this machine that it sees at their own paths. Ask `namespace.refusal` first."""
    upper, work = folder / "upper", folder / "work"
    for made in (upper, work):
        made.mkdir(mode=0o755, exist_ok=True)
    mounts: list[Mount] = [
        Overlay((str(tree),), "/", str(upper), str(work)),
        *(Bind(f"/{name}", f"/{name}") for name in ("dev", "proc")),
        Bind("/sys", "/sys", True),
        *(Bind(file, file, True) for file in _FROM_HERE if os.path.isfile(file)),
        *(Bind(str(path), str(path)) for path in kept),
        Bind(str(folder / "tmp"), "/tmp"),
        *more,
    ]
    enclosed = namespace.enclose(command, folder / "mounts.json", mounts, cwd, folder / "root")
    return [shutil.which(enclosed[0]) or enclosed[0], *enclosed[1:]]  # the environment is the image's


def _take_away(layer: Layer, target: Path) -> None:
    for path in layer.opaque:
        here = _place(target, path)
        for name in os.listdir(here) if here.is_dir() else ():
            _remove(here / name)
    for path in layer.removed:
        _remove(_place(target, os.path.dirname(path)) / os.path.basename(path))


def _lay(source: Path, target: Path, root: Path) -> None:
    for entry in os.scandir(source):
        place = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            if (
                place.is_symlink() and place.is_dir()
            ):  # /bin -> usr/bin: what comes into it goes where it leads
                place = _inside(place, root)
            elif not place.is_dir():
                _remove(place)
                place.mkdir(mode=0o755)
            _lay(Path(entry.path), place, root)
            continue
        _remove(place)
        os.link(entry.path, place, follow_symlinks=False)


def _place(root: Path, path: str) -> Path:
    return _inside(root / path, root)


def _inside(path: Path, root: Path) -> Path:
    real = os.path.realpath(path)
    if not _within(real, root):
        raise BadLayer(f"{path.relative_to(root)} leads out of the image")
    return Path(real)


def _within(path: str, root: Path) -> bool:
    return f"{path}/".startswith(f"{os.path.realpath(root)}/")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
