"""The Modal client for images: links to the packages of our own that it needs, and to nothing else of ours.

Modal puts its client and what that needs into every container, behind the image's own packages; so do we.
"""

import os
import re
from importlib import metadata
from pathlib import Path


def link_client(root: Path) -> Path:
    """A folder for the module search path, made anew if it is not that of the installed versions."""
    needed = _closure("modal")
    stamp = "\n".join(f"{item.metadata['Name']}=={item.version} {item.locate_file('')}" for item in needed)
    marker = root / ".versions"
    if marker.is_file() and marker.read_text() == stamp:
        return root
    root.mkdir(parents=True, exist_ok=True)
    for item in needed:
        _link(item, root)
    marker.write_text(stamp)
    return root


def _closure(name: str) -> list[metadata.Distribution]:
    """The package and all that it requires here, by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [name]
    while waiting:
        wanted = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if wanted in found:
            continue
        try:
            item = metadata.distribution(wanted)
        except metadata.PackageNotFoundError:
            # A requirement of another platform or an extra that is not installed.
            continue
        found[wanted] = item
        for requirement in item.requires or ():
            if "extra ==" not in requirement:
                waiting.append(re.split(r"[\s;\[(<>=!~]", requirement, maxsplit=1)[0])
    return [found[key] for key in sorted(found)]


def _link(item: metadata.Distribution, root: Path) -> None:
    site = Path(str(item.locate_file("")))
    for top in {
        Path(file).parts[0] for file in item.files or () if Path(file).parts[0] not in ("..", "__pycache__")
    }:
        _mirror(site / top, root / top)


def _mirror(source: Path, target: Path) -> None:
    """Packages are linked whole. A namespace (`google`) is shared by several distributions: its parts are linked."""
    namespace = (
        source.is_dir() and not source.name.endswith(".dist-info") and not (source / "__init__.py").exists()
    )
    if not namespace or source.name.endswith(".libs"):
        target.unlink(missing_ok=True)
        target.symlink_to(source)
        return
    target.mkdir(exist_ok=True)
    for part in os.listdir(source):
        if part != "__pycache__":
            _mirror(source / part, target / part)
