"""Where the local cloud of a checkout keeps its things."""

from dataclasses import dataclass
from pathlib import Path

from infra.spec.errors import PilotlightError


class NoProject(PilotlightError):
    """The directory holds no Pulumi project."""


@dataclass(frozen=True)
class CloudPaths:
    """All below `.pilotlight/` of `root`, the directory with `Pulumi.yaml`."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> "CloudPaths":
        root = root.resolve()
        if not (root / "Pulumi.yaml").is_file():
            raise NoProject(
                f"{root} has no Pulumi.yaml",
                wanted="the directory of a Pulumi project, which the local cloud belongs to",
                fix="run this inside the project, or name it with --root",
            )
        return cls(root)

    @property
    def home(self) -> Path:
        return self.root / ".pilotlight"

    @property
    def cloud(self) -> Path:
        """State: what `pilotlight cloud reset` deletes."""
        return self.home / "cloud"

    @property
    def record(self) -> Path:
        """Address and keys of the running daemon."""
        return self.home / "cloud.json"

    @property
    def lock(self) -> Path:
        """Held by the daemon as long as it lives."""
        return self.home / "cloud.lock"

    @property
    def starting(self) -> Path:
        """Held while one command starts or stops the daemon."""
        return self.home / "cloud-starting.lock"

    @property
    def toolchain(self) -> Path:
        return self.home / "toolchain.json"

    @property
    def ports(self) -> Path:
        return self.cloud / "ports.json"

    @property
    def keys(self) -> Path:
        return self.cloud / "keys.json"

    @property
    def settings(self) -> Path:
        return self.cloud / "settings.json"

    @property
    def log(self) -> Path:
        return self.cloud / "daemon.log"

    @property
    def store(self) -> Path:
        """Endpoints, releases, jobs and usage."""
        return self.cloud / "state.sqlite"

    @property
    def logs(self) -> Path:
        """`<endpoint id>/<worker id>.log`."""
        return self.cloud / "logs"

    @property
    def s3(self) -> Path:
        return self.cloud / "s3"

    @property
    def volumes(self) -> Path:
        """RunPod's network volumes, a directory each."""
        return self.cloud / "volumes"

    @property
    def registry(self) -> Path:
        return self.cloud / "registry"

    @property
    def modal(self) -> Path:
        """Local Modal's files: mounts, images, blobs, logs."""
        return self.cloud / "modal"

    @property
    def clients(self) -> Path:
        """Configuration files that point official clients here."""
        return self.cloud / "clients"
