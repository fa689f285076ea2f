"""From an image reference to something that this machine can run, out of the local registry only."""

import asyncio
import hashlib
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from infra.localcloud.core import namespace
from infra.localcloud.runpod.workers import rootfs
from infra.localcloud.runpod.workers.interpreter import VERSION, bare_python, compile_command, uncompiled
from infra.localcloud.runpod.workers.reference import ALIAS, Reference, parse
from infra.localcloud.runpod.workers.tree import assemble
from infra.localcloud.runpod.workers.unpack import BadLayer, Layer, unpack
from infra.spec.errors import PilotlightError

PYTHON_LABEL = "dev.pilotlight.python"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_PYTHONS = ("python", "python3", f"python{VERSION}")


class ImageRefused(PilotlightError):
    """The image will not run here. The text becomes the reason of the unhealthy worker."""


class BlobSource(Protocol):
    """The local registry's storage. The first of `manifest`'s pair is not used: the digest is computed."""

    def manifest(self, repo: str, reference: str) -> tuple[str, bytes] | None: ...
    def blob_path(self, digest: str) -> Path | None: ...


@dataclass(frozen=True)
class UnpackedImage:
    """An image on disk. `root` is its tree (read-only), `python` the interpreter that runs it."""

    digest: str
    root: Path
    python: Path
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    own_root: bool = (
        False  # `root` is a whole root file system, to run its programs in; `cwd` is a path there
    )

    def argv(self, args: str, mounted: Collection[str] = ()) -> list[str]:
        """`args` (one string, shell quoting) takes the place of the image's command, as on RunPod. Below the paths in
        `mounted` lies something else than the image."""
        words = self.words(args)
        if self.own_root:
            raise ValueError(
                "the image brings its own root file system: its `words` are run in it, not on this machine"
            )
        return [
            str(self.python),
            *(word if _below(word, mounted) else on_host(self.root, word) for word in words[1:]),
        ]

    def words(self, args: str) -> list[str]:
        """As the image has them."""
        return [*self.entrypoint, *(shlex.split(args) if args else self.command)]


def on_host(root: Path, path: str) -> str:
    """An absolute path of the image as the path on this machine; anything else unchanged."""
    return str(root / path.lstrip("/")) if path.startswith("/") else path


def _below(path: str, folders: Collection[str]) -> bool:
    return any(f"{path}/".startswith(f"{folder.rstrip('/')}/") for folder in folders)


class ImageStore:
    """Unpacks into `root`: `layers/<sha256>/` once per layer, `images/<sha256>/` once per image, `python/`.

    `hosts` are the names under which the local registry is reached, besides the alias `registry.pilotlight.internal`.
    """

    def __init__(self, registry: BlobSource, root: Path, hosts: Collection[str] = ()) -> None:
        self._registry, self._root = registry, root
        self._hosts = {ALIAS, *hosts}
        self._ready: dict[str, UnpackedImage] = {}
        self._one_at_a_time = asyncio.Lock()

    async def resolve(self, image_ref: str) -> UnpackedImage:
        """Raises ImageRefused with the reason. Quick for an image that it has unpacked before."""
        reference = parse(image_ref)
        if reference is None or reference.host not in self._hosts:
            raise ImageRefused(
                f"{image_ref} is not in the local registry, and nothing from outside is ever run here.",
                wanted=f"an image that was pushed to this cloud: {ALIAS}/<repository>@sha256:…",
            )
        digest, manifest = self._manifest(reference)
        if digest not in self._ready:
            async with self._one_at_a_time:
                if digest not in self._ready:
                    try:
                        self._ready[digest] = await asyncio.to_thread(
                            self._unpack, reference, digest, manifest
                        )
                    except (BadLayer, OSError) as error:
                        raise ImageRefused(f"{reference} cannot be unpacked: {error}") from error
                    except (ValueError, KeyError, TypeError, AttributeError) as error:
                        raise ImageRefused(
                            f"{reference} has a configuration that is not one of an image."
                        ) from error
        return self._ready[digest]

    def _manifest(self, reference: Reference) -> tuple[str, dict[str, Any]]:
        found = self._registry.manifest(reference.repository, reference.digest or reference.tag)
        if found is None:
            raise ImageRefused(
                f"{reference} is not in the local registry.",
                fix="Push it, or run `pulumi up` again: it builds it.",
            )
        try:
            digest, manifest = "sha256:" + hashlib.sha256(found[1]).hexdigest(), json.loads(found[1])
            if {"config", "layers"} <= set(manifest):
                return digest, manifest
            fitting = [entry["digest"] for entry in manifest["manifests"] if _fits(entry.get("platform", {}))]
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            raise ImageRefused(f"{reference} has a manifest that is not one of an image.") from error
        if not fitting:
            raise ImageRefused(f"{reference} has no image for linux/{ARCHITECTURE}.")
        return self._manifest(Reference(reference.host, reference.repository, "", fitting[0]))

    def _unpack(self, reference: Reference, digest: str, manifest: dict[str, Any]) -> UnpackedImage:
        config = json.loads(self._blob(manifest["config"]["digest"]).read_bytes())
        options = config.get("config") or {}
        if (options.get("Labels") or {}).get(PYTHON_LABEL) is None:
            return self._rooted(reference, digest, manifest, config)
        _check(reference, config, options)
        python = bare_python(self._root / "python")
        layers = [self._layer(entry["digest"], python) for entry in manifest["layers"]]
        root = assemble(layers, self._root / "images" / digest.removeprefix("sha256:"))
        env = dict(pair.partition("=")[::2] for pair in options.get("Env") or ())
        env.pop("PATH", None)
        if "PYTHONPATH" in env:
            env["PYTHONPATH"] = os.pathsep.join(on_host(root, part) for part in env["PYTHONPATH"].split(":"))
        return UnpackedImage(
            digest=digest,
            root=root,
            python=python,
            entrypoint=tuple(options["Entrypoint"]),
            command=tuple(options.get("Cmd") or ()),
            cwd=Path(on_host(root, options.get("WorkingDir") or "/")),
            env=env,
        )

    def _rooted(
        self, reference: Reference, digest: str, manifest: dict[str, Any], config: dict[str, Any]
    ) -> UnpackedImage:
        """One that was built elsewhere runs with its own programs, or not at all."""
        _check_platform(reference, config)
        options = config.get("config") or {}
        env = dict(pair.partition("=")[::2] for pair in options.get("Env") or ())
        words = [*(options.get("Entrypoint") or ()), *(options.get("Cmd") or ())]
        layers = [self._layer(entry["digest"], None) for entry in manifest["layers"]]
        root = rootfs.flatten(layers, self._root / "roots" / digest.removeprefix("sha256:"))
        found = rootfs.program(root, words[0], env.get("PATH", "")) if words else None
        if found is None:
            raise ImageRefused(
                f"{reference} has no label {PYTHON_LABEL} and does not bring the program that it starts "
                f"({words[0] if words else 'none'}), so this machine cannot run it.",
                wanted="an image of pilotlight-artifacts:index:Image, or one with a whole root file system",
            )
        if refusal := namespace.refusal():
            raise ImageRefused(
                f"{reference} brings its own root file system, and this machine cannot give it one: {refusal}",
                wanted="a machine that allows mount namespaces, or an image of pilotlight-artifacts:index:Image",
            )
        return UnpackedImage(
            digest=digest,
            root=root,
            python=Path(found),
            entrypoint=tuple(options.get("Entrypoint") or ()),
            command=tuple(options.get("Cmd") or ()),
            cwd=Path(options.get("WorkingDir") or "/"),
            env=env,
            own_root=True,
        )

    def _layer(self, digest: str, python: Path | None) -> Layer:
        """Compiled for `python`, if given."""
        blob = self._blob(digest)
        target = self._root / "layers" / digest.removeprefix("sha256:")
        fresh = not target.exists()
        if fresh:
            _verify(blob, digest)
        layer = unpack(blob, target)
        if fresh and python is not None and (sources := uncompiled(target)):
            # What does not compile is not an error: some packages ship files that no Python of today reads.
            subprocess.run(
                compile_command(python, target),
                input="\n".join(map(str, sources)),
                text=True,
                env={},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        return layer

    def _blob(self, digest: str) -> Path:
        path = self._registry.blob_path(digest)
        if path is None:
            raise BadLayer(f"the registry does not hold its blob {digest}")
        return path


def _verify(blob: Path, digest: str) -> None:
    with blob.open("rb") as file:
        found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise BadLayer(f"the registry's blob {digest} is damaged: its content has the digest {found}")


def _fits(entry: dict[str, Any]) -> bool:
    return (entry.get("os"), entry.get("architecture")) == ("linux", ARCHITECTURE)


def _check(reference: Reference, config: dict[str, Any], options: dict[str, Any]) -> None:
    built_for = options["Labels"][PYTHON_LABEL]
    if built_for != VERSION:
        raise ImageRefused(
            f"{reference} was built for Python {built_for}; this machine runs workers under Python {VERSION}.",
            fix=f'Set python="{VERSION}" on the image for this stack.',
        )
    _check_platform(reference, config)
    entrypoint = options.get("Entrypoint") or ()
    if not entrypoint or os.path.basename(entrypoint[0]) not in _PYTHONS:
        raise ImageRefused(
            f"{reference} starts {entrypoint[0] if entrypoint else 'nothing'}.",
            wanted="a Python program as entrypoint",
        )


def _check_platform(reference: Reference, config: dict[str, Any]) -> None:
    if not _fits(config):
        raise ImageRefused(
            f"{reference} is for {config.get('os')}/{config.get('architecture')}, not {ARCHITECTURE}."
        )
