"""A container's place on disk, and what of it the code sees: a root of its own, or paths of this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.localcloud.core.namespace import Bind, Mount, enclose, python_folders, system_mounts

INSIDE = "/__modal"  # where the socket and the arguments are in a root of its own

# (folder on this machine, path in the container, read-only)
VolumeBind = tuple[Path, str, bool]


@dataclass
class Room:
    """Below `folder`: `root` is the container's root (with namespaces) or just its files, `notes` what it lacks."""

    folder: Path
    socket: Path
    own_root: bool
    notes: list[str] = field(default_factory=list)
    cwd: Path = Path("/")
    mounts: list[Mount] = field(default_factory=list)
    inside_cwd: str = "/root"

    @property
    def files(self) -> Path:
        return self.folder / "root"

    @property
    def arguments(self) -> Path:
        return self.folder / "arguments"

    @property
    def inside_socket(self) -> str:
        return f"{INSIDE}/socket" if self.own_root else str(self.socket)

    @property
    def inside_arguments(self) -> str:
        return f"{INSIDE}/arguments" if self.own_root else str(self.arguments)

    @property
    def tmp(self) -> str:
        return "/tmp" if self.own_root else str(self.files / "tmp")

    @property
    def code(self) -> str:
        """Modal's home and working directory, where the user's modules are."""
        return "/root" if self.own_root else str(self.files / "root")

    def make(self) -> None:
        self.folder.mkdir(mode=0o700)
        for name in ("root", "tmp"):
            (self.files / name).mkdir(parents=True)
        self.cwd = self.files / "root"

    def furnish(
        self, python: Path, workdir: str, volumes: Sequence[VolumeBind], same: Sequence[Path] = ()
    ) -> None:
        """Once the files are there. `same` are folders that have the same path inside. ValueError for a volume at a
        path that cannot be one."""
        for folder in same:
            folder.mkdir(parents=True, exist_ok=True)
        for folder, path, _ in volumes:
            if not path.startswith("/") or path.rstrip("/") in ("", "/root", "/tmp"):
                raise ValueError(f"a volume cannot be mounted at {path!r}")
            folder.mkdir(parents=True, exist_ok=True)
        if not self.own_root:
            self._go_plain(workdir, volumes)
            return
        self.inside_cwd = workdir or "/root"
        self.mounts = [
            *system_mounts(self.files),
            *(Bind(str(folder), str(folder), True) for folder in python_folders(python)),
            Bind(str(self.socket), f"{INSIDE}/socket", False),
            Bind(str(self.arguments), f"{INSIDE}/arguments", True),
            *(Bind(str(folder), path, read_only) for folder, path, read_only in volumes),
            *(Bind(str(folder), str(folder), False) for folder in same),
        ]

    def argv(self, command: Sequence[str]) -> list[str]:
        if not self.own_root:
            return list(command)
        return enclose(command, self.folder / "spec.json", self.mounts, self.inside_cwd, self.files)

    def _go_plain(self, workdir: str, volumes: Sequence[VolumeBind]) -> None:
        """Only what Python looks up is where the code expects it."""
        if workdir:
            self.cwd = self.files / workdir.lstrip("/")
            self.cwd.mkdir(parents=True, exist_ok=True)
        for folder, path, _ in volumes:
            target = self.files / path.lstrip("/")
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(folder)
            self.notes.append(
                f"{path} is not there: this machine allows no mount namespaces. It is at {target}"
            )
