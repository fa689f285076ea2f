"""A real S3 server for the tests: versitygw as a child process, which a test may kill and start again."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from infra.artifacts.store import ObjectStore, StoreSettings

USER, SECRET = "test-user", "test-secret-key"


def versitygw() -> Path:
    """The binary that set-up built; without it the test is skipped."""
    toolchain = Path(__file__).parents[2] / ".pilotlight" / "toolchain.json"
    named = [json.loads(toolchain.read_text()).get("versitygw")] if toolchain.exists() else []
    cached = sorted(Path.home().glob(".cache/pilotlight/versitygw-*/bin/versitygw"))
    for candidate in [*named, *cached]:
        if candidate and Path(candidate).exists():
            return Path(candidate)
    pytest.skip("versitygw is missing: run `make setup`")


class S3Server:
    def __init__(self, root: Path) -> None:
        self.binary = versitygw()
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [str(self.binary), "--port", f"127.0.0.1:{self.port}", "posix", str(self.root)],
            env={"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": USER, "ROOT_SECRET_KEY": SECRET},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                pass
            try:
                code = self.process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"versitygw ended with {code}")
        raise AssertionError("versitygw does not listen")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def settings(self, secret: str = SECRET) -> StoreSettings:
        return StoreSettings(self.url, "us-east-1", USER, secret, local=True)

    def store(self, secret: str = SECRET) -> ObjectStore:
        """A client whose retries do not wait."""
        return ObjectStore(self.settings(secret), no_wait)

    def keys(self, bucket: str) -> set[str]:
        base = self.root / bucket
        files = (path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file())
        return {name for name in files if not name.startswith(".sgwtmp")}


async def no_wait(seconds: float) -> None:
    return None
