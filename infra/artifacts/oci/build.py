"""An image as its registry knows it: a config and a manifest, as bytes that follow from their parts alone."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from infra.artifacts.oci.reference import Reference
from infra.artifacts.oci.registry import INDEX_TYPES, MANIFEST_TYPE, Registry
from infra.artifacts.oci.tar import LAYER_TYPE, Layer
from infra.spec.errors import PilotlightError

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
EPOCH = "1970-01-01T00:00:00Z"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TO_OCI = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_TYPE,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}


class BaseImageError(PilotlightError):
    """The base image is missing or of no use here."""


class Descriptor(NamedTuple):
    """A blob as a manifest names it."""

    media_type: str
    digest: str
    size: int

    def to_json(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class Base(NamedTuple):
    """What a base image brings: its layers and its config."""

    layers: tuple[Descriptor, ...] = ()
    config: Mapping[str, Any] = {}


class Image(NamedTuple):
    """An image ready to be pushed. `layers`: base layers first."""

    manifest: bytes
    config: bytes
    config_digest: str
    layers: tuple[Descriptor, ...]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def size_bytes(self) -> int:
        return sum(layer.size for layer in self.layers) + len(self.config)


def assemble(
    base: Base,
    layers: Sequence[Layer],
    *,
    entrypoint: Sequence[str],
    env: Mapping[str, str],
    labels: Mapping[str, str],
) -> Image:
    """The image of a base and our layers on top. No time, no host, no order of a dict enters it."""
    inherited = base.config.get("config") or {}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": EPOCH,
        "config": {
            "Entrypoint": list(entrypoint),
            "WorkingDir": "/app",
            "Env": _merged_env(inherited.get("Env") or [], env),
            "Labels": {**(inherited.get("Labels") or {}), **labels},
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [
                *(base.config.get("rootfs") or {}).get("diff_ids", []),
                *(layer.diff_id for layer in layers),
            ],
        },
        "history": [
            *(base.config.get("history") or []),
            *({"created": EPOCH, "created_by": "pilotlight"} for _ in layers),
        ],
    }
    raw = _canonical(config)
    all_layers = (*base.layers, *(Descriptor(LAYER_TYPE, layer.digest, layer.size) for layer in layers))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": Descriptor(CONFIG_TYPE, digest_of(raw), len(raw)).to_json(),
        "layers": [layer.to_json() for layer in all_layers],
    }
    return Image(_canonical(manifest), raw, digest_of(raw), all_layers)


async def read_base(registry: Registry, reference: Reference, blob: Any) -> Base:
    """A base image for linux/amd64. `blob(digest)` gives a small blob's bytes. Raises `BaseImageError`."""
    name = f"{reference.host}/{reference.repository}"
    stored = await registry.manifest(reference.repository, reference.selector)
    if stored is not None and stored.media_type in INDEX_TYPES:
        stored = await registry.manifest(
            reference.repository, _for_platform(name, json.loads(stored.content))
        )
    if stored is None:
        raise BaseImageError(f"base image {name} has no {reference.selector}", fix="Correct `base`.")
    manifest = json.loads(stored.content)
    if "config" not in manifest or "layers" not in manifest:
        raise BaseImageError(f"base image {name} is of an old format", wanted="an OCI or Docker v2 image")
    config = json.loads(await blob(manifest["config"]["digest"]))
    if (config.get("os"), config.get("architecture")) != ("linux", "amd64"):
        found = f"{config.get('os')}/{config.get('architecture')}"
        raise BaseImageError(f"base image {name} is for {found}", wanted="linux/amd64")
    layers = tuple(
        Descriptor(_TO_OCI.get(entry["mediaType"], entry["mediaType"]), entry["digest"], entry["size"])
        for entry in manifest["layers"]
    )
    return Base(layers, config)


def digest_of(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _for_platform(name: str, index: Mapping[str, Any]) -> str:
    for entry in index.get("manifests", []):
        platform = entry.get("platform") or {}
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return str(entry["digest"])
    raise BaseImageError(
        f"base image {name} is not built for linux/amd64", wanted="linux/amd64", fix="Take another `base`."
    )


def _merged_env(inherited: Sequence[str], ours: Mapping[str, str]) -> list[str]:
    merged = {"PATH": _PATH, **dict(item.partition("=")[::2] for item in inherited), **ours}
    return [f"{key}={merged[key]}" for key in sorted(merged)]


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
