"""The Python that runs workers: this machine's own interpreter, without this project's packages or anybody else's."""

import os
import sys
from pathlib import Path

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def bare_python(directory: Path) -> Path:
    """A virtual environment with nothing in it: a link and a file. What an image does not bring, its worker does not
    find, as in a container."""
    base = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    config = (
        f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {sys.version.split()[0]}\n"
    )
    python = directory / "bin" / "python3"
    if not (python.is_symlink() and Path(os.readlink(python)) == base):
        python.parent.mkdir(parents=True, exist_ok=True)
        python.unlink(missing_ok=True)
        python.symlink_to(base)
    (directory / "pyvenv.cfg").write_text(config)
    return python


def compile_command(python: Path, root: Path) -> list[str]:
    """Compiles the sources listed on standard input. Hash-based and unchecked: the files never change, and the names in
    tracebacks are those of the image."""
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/", "-i", "-"]
    return [str(python), "-I", "-S", "-m", "compileall", *options]


def uncompiled(root: Path) -> list[Path]:
    """Sources below `root` that Python would compile anew at each start."""
    tag = f".{sys.implementation.cache_tag}.pyc"
    found = []
    for folder, _, names in os.walk(root):
        cached = set(names_in(Path(folder) / "__pycache__"))
        found += [
            Path(folder) / name for name in names if name.endswith(".py") and name[:-3] + tag not in cached
        ]
    return found


def names_in(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []
