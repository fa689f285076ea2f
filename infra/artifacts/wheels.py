"""Packages for an image, installed on this machine from wheels alone, with nothing in them that varies."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.artifacts.oci.tar import Entry
from infra.spec.errors import PilotlightError

SITE = "opt/pilotlight/site"
_KEPT_ENV = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "TEMP",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NETRC",
)
_KEPT_PREFIXES = (
    "UV_",
    "PIP_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
_VARYING = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
_NO_WHEEL = re.compile(r"Because (?P<who>\S+) has no (?:usable )?wheels", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"Failed to fetch|error sending request|dns error|Could not connect|NewConnectionError"
)
_COMPILERS = 2


class PackagesError(PilotlightError):
    """The packages cannot be installed as wheels."""


class Installer:
    """Runs uv, or pip where there is no uv. `tools`: what set-up noted (`uv`, `wheelhouse`)."""

    def __init__(self, tools: dict[str, Any]) -> None:
        self._uv = _existing(tools.get("uv")) or shutil.which("uv")
        self._wheelhouse = _existing(tools.get("wheelhouse"))

    async def install(self, requirements: list[str], python: str, target: Path) -> None:
        """Into `target`: from the wheelhouse when it has everything, else from the index. Raises `PackagesError`."""
        lock = target.with_suffix(".txt")
        lock.write_text("\n".join(requirements) + "\n")
        offline = ""
        if self._wheelhouse is not None:
            said = await self._run(lock, python, target, ["--no-index", "--find-links", self._wheelhouse])
            if said is None:
                return
            offline = said
            shutil.rmtree(target, ignore_errors=True)
        failed = await self._run(lock, python, target, [])
        if failed is not None:
            # Without a network, what the wheelhouse said is the reason.
            raise _explained(offline if offline and _NO_NETWORK.search(failed) else failed, python)

    async def _run(self, lock: Path, python: str, target: Path, more: list[str]) -> str | None:
        """None, or what the installer said."""
        if self._uv is not None:
            tool = [self._uv, "pip", "install", "--no-config", "--quiet", "--python", sys.executable]
            tool += [
                "--python-platform",
                "x86_64-manylinux_2_28",
                "--python-version",
                python,
                "--no-compile-bytecode",
            ]
            tool += ["--link-mode", "copy"]
        else:
            tool = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-compile",
                "--disable-pip-version-check",
            ]
            tool += ["--python-version", python, "--implementation", "cp"]
            for platform in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
                tool += ["--platform", platform]
        command = [*tool, "--only-binary", ":all:", "--target", str(target), "-r", str(lock), *more]
        return await _run(command)


def site_entries(target: Path) -> Iterator[Entry]:
    """The installed files as they go into the layer. No scripts: their first line names this machine's Python."""
    for folder, folders, files in os.walk(target):
        top = Path(folder) == target
        folders[:] = sorted(name for name in folders if not (top and name == "bin"))
        for name in files:
            path = Path(folder, name)
            in_metadata = path.parent.name.endswith(".dist-info")
            if (in_metadata and name in _VARYING) or (top and name.startswith(".")) or not path.is_file():
                continue
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            yield Entry(f"{SITE}/{path.relative_to(target).as_posix()}", path, mode)


async def compile_site(target: Path, python: str) -> None:
    """Add byte code that never looks at time stamps; only for the version that we run ourselves.

    Halves the import time of a cold worker. The order of files and the hash seed are fixed, so the bytes are too.
    """
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        return
    sources = sorted(
        str(path) for path in target.rglob("*.py") if path.is_file() and not _is_test(path, target)
    )
    shares = [sources[i::_COMPILERS] for i in range(_COMPILERS)]
    await asyncio.gather(*(_compile(share, target) for share in shares if share))


def _is_test(path: Path, target: Path) -> bool:
    """Tests of a package are in the image as they are, but no worker imports them."""
    return not {"tests", "test"}.isdisjoint(path.relative_to(target).parts[:-1])


async def _compile(sources: list[str], target: Path) -> None:
    command = [sys.executable, "-s", "-S", "-P", "-m", "compileall", "-q", "-f", "--invalidation-mode"]
    command += ["unchecked-hash", "-s", str(target), "-p", f"/{SITE}", "-i", "-"]
    # A package may carry files that are no valid Python (templates, tests): those stay without byte code.
    await _run(command, {"PYTHONHASHSEED": "0"}, "\n".join(sources))


async def _run(command: list[str], more: dict[str, str] | None = None, text: str = "") -> str | None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**_clean_environment(), **(more or {})},
    )
    try:
        output, _ = await process.communicate(text.encode())
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    return None if process.returncode == 0 else output.decode(errors="replace")


def _clean_environment() -> dict[str, str]:
    """What an installer needs and no more: the provider's own environment holds secrets."""
    return {
        key: value for key, value in os.environ.items() if key in _KEPT_ENV or key.startswith(_KEPT_PREFIXES)
    }


def _explained(output: str, python: str) -> PackagesError:
    text = " ".join(output.split())
    found = _NO_WHEEL.search(text)
    if found:
        return PackagesError(
            f"{found['who']} has no wheel for Python {python} on linux/amd64",
            wanted="packages that have wheels: an image is built without running anything of theirs",
            fix="Pin a version that has one, or take the package out of the requirements.",
        )
    return PackagesError(
        f"the packages for Python {python} cannot be installed: {text[-1500:]}",
        fix="Correct the requirements; without a network, run set-up again to fill the wheelhouse.",
    )


def _existing(path: Any) -> str | None:
    return path if isinstance(path, str) and Path(path).exists() else None
