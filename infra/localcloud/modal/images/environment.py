"""Virtual environments for images: one for each content, made by uv, with the Modal client behind their packages."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.localcloud.modal.model import Mounts
from infra.spec.errors import PilotlightError

from .client import client_folder
from .recipe import Install, Recipe

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
SOURCES = ("--index-url", "-i", "--extra-index-url", "--default-index", "--index", "--find-links", "-f")

NO_NETWORK = re.compile(
    r"dns error|error sending request|Failed to fetch|Could not connect|client error \(Connect\)"
)

Say = Callable[[str], None]


class BuildFailed(PilotlightError):
    """A command of the image failed. The text is what it said."""


@dataclass(frozen=True)
class Tools:
    """What set-up noted; None for what is not there."""

    uv: Path | None
    wheelhouse: Path | None

    @classmethod
    def of(cls, noted: Mapping[str, str]) -> "Tools":
        def existing(name: str) -> Path | None:
            path = Path(noted[name]) if noted.get(name) else None
            return path if path is not None and path.exists() else None

        found = shutil.which("uv")
        return cls(existing("uv") or (Path(found) if found else None), existing("wheelhouse"))


class Environments:
    """`<root>/venv-<hash>/`, and the Modal client beside them. Everything is compiled, because a container that sees it
    read-only would compile it anew at each start."""

    def __init__(self, root: Path, tools: Tools, mounts: Mounts) -> None:
        self._root, self._tools, self._mounts = root, tools, mounts
        self._client: Path | None = None
        self._compiling: asyncio.Task[Any] | None = None
        self._building: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(2)

    def path(self, recipe: Recipe, extra: tuple[str, ...] = ()) -> Path:
        """Equal for recipes that install the same. `extra` are folders of packages that an unpacked image brings."""
        uses_files = any(word.startswith("/") for install in recipe.installs for word in install.args)
        content = [
            VERSION,
            [(install.args, install.sync) for install in recipe.installs],
            [(name, hashlib.sha256(data).hexdigest()) for name, data in sorted(recipe.files.items())]
            if uses_files
            else [],
            recipe.copies if uses_files else [],
            extra,
        ]
        return self._root / f"venv-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]}"

    def ready(self, recipe: Recipe, extra: tuple[str, ...] = ()) -> Path | None:
        """The interpreter, if it has been made."""
        venv = self.path(recipe, extra)
        if not (venv / "ready").is_file():
            return None
        self._show_client(venv, extra)
        return venv / "bin" / "python"

    async def build(self, recipe: Recipe, say: Say, extra: tuple[str, ...] = ()) -> Path:
        """The interpreter. BuildFailed with what the command said."""
        venv = self.path(recipe, extra)
        while self.ready(recipe, extra) is None:
            task = self._building.get(venv.name)
            if task is not None:
                say("waiting for the same environment, which is being made already\n")
                await asyncio.wait({task})
                continue
            task = asyncio.ensure_future(self._make(venv, recipe, say, extra))
            self._building[venv.name] = task
            try:
                await task
            finally:
                self._building.pop(venv.name, None)
        return venv / "bin" / "python"

    async def close(self) -> None:
        tasks = [*self._building.values(), *([self._compiling] if self._compiling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, venv: Path, recipe: Recipe, say: Say, extra: tuple[str, ...]) -> None:
        async with self._slots:
            await asyncio.to_thread(shutil.rmtree, venv, ignore_errors=True)
            await asyncio.to_thread(_empty, venv)
            self._show_client(venv, extra)
            if recipe.installs:
                files = venv / "context"
                await asyncio.to_thread(self._lay_out, recipe, files)
                for install in recipe.installs[:-1]:
                    await self._install(venv, install, files, say)
                # Compiled once all is there: what is installed over older packages may have their time and size.
                await self._install(venv, recipe.installs[-1], files, say, "--compile-bytecode")
                await asyncio.to_thread(shutil.rmtree, files, ignore_errors=True)
            (venv / "ready").touch()
            if self._compiling is None:
                self._compiling = asyncio.ensure_future(self._compile_client(venv))

    async def _install(self, venv: Path, install: Install, files: Path, say: Say, *more: str) -> None:
        if self._tools.uv is None:
            raise BuildFailed(f"`{install}` needs uv, which is not here", fix="`make up` brings it")
        say(f"$ {install}\n")
        words = [*more, *(_on_host(word, files) for word in install.args)]
        python = str(venv / "bin" / "python")
        if install.sync:
            command, more_env = (
                ["sync", "--inexact", "--no-python-downloads"],
                {"UV_PROJECT_ENVIRONMENT": str(venv)},
            )
        else:
            command, more_env = ["pip", "install", "--no-config"], {}
        code, output = await self._uv([*command, "--python", python, *words], more_env)
        say(output)
        if code != 0:
            raise BuildFailed(f"`{install}` failed:\n{output.strip()[-3000:]}")

    async def _uv(self, words: list[str], env: Mapping[str, str]) -> tuple[int, str]:
        """From the wheelhouse if that has it all, which needs no network; else from the index."""
        command = [str(self._tools.uv), *words]
        own_source = any(word.split("=")[0] in SOURCES for word in words)
        if self._tools.wheelhouse is not None and not own_source:
            offline = ["--no-index", "--find-links", str(self._tools.wheelhouse)]
            code, said = await _run([*command, *offline], env)
            if code == 0:
                return code, said
            code, output = await _run(command, env)
            # Without a network, what the wheelhouse said is the reason.
            return code, said if code and NO_NETWORK.search(output) else output
        return await _run(command, env)

    async def _compile_client(self, venv: Path) -> None:
        """Once for each version of the client; containers that start meanwhile do without."""
        assert self._client is not None
        marker = self._client / ".compiled"
        if marker.exists():
            return
        command = ["-I", "-S", "-m", "compileall", "-q", str(self._client)]
        await _run([str(venv / "bin" / "python"), *command])
        marker.touch()

    def _lay_out(self, recipe: Recipe, files: Path) -> None:
        for mount_id, folder in recipe.copies:
            self._mounts.materialise([mount_id], files / folder.lstrip("/"))
        for name, data in recipe.files.items():
            target = files / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    def _show_client(self, venv: Path, extra: tuple[str, ...]) -> None:
        """Behind the packages of the image, so that its own versions win."""
        if self._client is None:
            self._client = client_folder(self._root)
        listing = "\n".join((*extra, str(self._client))) + "\n"
        path = site_packages(venv) / "zz_modal_client.pth"
        if not path.is_file() or path.read_text() != listing:
            path.write_text(listing)


def site_packages(venv: Path) -> Path:
    return venv / "lib" / f"python{VERSION}" / "site-packages"


def packages(venv: Path) -> dict[str, str]:
    """Name -> version of what the image installed."""
    found = (
        item.name.removesuffix(".dist-info").rpartition("-")
        for item in site_packages(venv).glob("*.dist-info")
    )
    return {name.replace("_", "-").lower(): version for name, _, version in found}


def _empty(venv: Path) -> None:
    """A virtual environment with nothing in it: two links and a file."""
    base = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    site_packages(venv).mkdir(parents=True)
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(base)
    for name in ("python3", f"python{VERSION}"):
        (venv / "bin" / name).symlink_to("python")
    (venv / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {sys.version.split()[0]}\n"
    )


def _on_host(word: str, files: Path) -> str:
    """Paths of the image as paths of its files laid out here."""
    option, equals, value = word.partition("=")
    if word.startswith("--") and equals and value.startswith("/"):
        return f"{option}={_on_host(value, files)}"
    return str(files / word.lstrip("/")) if word.startswith("/") else word


async def _run(command: list[str], more: Mapping[str, str] | None = None) -> tuple[int, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in KEPT or name.startswith(("UV_", "PIP_"))
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**kept, "NO_COLOR": "1", "UV_NO_PROGRESS": "1", **(more or {})},
    )
    try:
        output, _ = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    return process.returncode or 0, output.decode(errors="replace")
