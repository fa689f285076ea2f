"""The Modal client for images: the packages of our own that it needs, and nothing else of ours.

Modal puts its client and what that needs into every container, behind the image's own packages; so do we.
"""

import hashlib
import os
import re
import shutil
import tempfile
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path


def client_folder(root: Path) -> Path:
    """A folder for the module search path: `<root>/client-<hash of the installed versions>`, made where it is missing.

    Its files are hard links where the disk allows: links of the other kind would lead out of a container's root.
    """
    needed = _closure("modal")
    versions = "\n".join(f"{item.metadata['Name']}=={item.version}" for item in needed)
    folder = root / f"client-{hashlib.sha256(versions.encode()).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=root))
    for item in needed:
        for file in item.files or ():
            _link(Path(str(item.locate_file(file))), scratch, Path(file))
    os.replace(scratch, folder)
    return folder


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
            # A requirement of another platform or of an extra.
            continue
        found[wanted] = item
        for requirement in item.requires or ():
            if "extra ==" not in requirement:
                waiting.append(re.split(r"[\s;\[(<>=!~]", requirement, maxsplit=1)[0])
    return [found[key] for key in sorted(found)]


def _link(source: Path, root: Path, file: Path) -> None:
    if ".." in file.parts or file.suffix == ".pyc" or not source.is_file():
        return
    target = root / file
    if target.exists():
        return
    if file.suffix == ".py":
        compiled = Path(cache_from_source(str(source)))
        _link_one(compiled, target.parent / "__pycache__" / compiled.name)
    _link_one(source, target)


def _link_one(source: Path, target: Path) -> None:
    if not source.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
