"""The toy provider as a process of its own; its cloud is a directory of JSON files, so it outlives the provider.

Pipes stop a create at a named point: the provider writes to `reached` and waits for `go`, so no test polls.
"""

import asyncio
import itertools
import json
import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from infra.kit import serve
from tests.kit.toy import Cloud, toy


class Boxes(MutableMapping[str, dict[str, Any]]):
    """Objects of the toy's cloud, one file each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __getitem__(self, id: str) -> dict[str, Any]:
        path = self._directory / f"{id}.json"
        if not path.exists():
            raise KeyError(id)
        return _Stored(path, json.loads(path.read_text()))

    def __setitem__(self, id: str, box: Mapping[str, Any]) -> None:
        (self._directory / f"{id}.json").write_text(json.dumps(box, default=_plain))

    def __delitem__(self, id: str) -> None:
        (self._directory / f"{id}.json").unlink()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in self._directory.glob("*.json")))

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Stored(dict[str, Any]):
    """Writes itself back at every change."""

    def __init__(self, path: Path, box: dict[str, Any]) -> None:
        super().__init__(box)
        self._path = path

    def update(self, *args: Any, **kwargs: Any) -> None:
        super().update(*args, **kwargs)
        self._save()

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._save()

    def _save(self) -> None:
        self._path.write_text(json.dumps(self, default=_plain))


def _plain(value: Any) -> Any:
    return getattr(value, "value", None) or sorted(value)


def serve_toy() -> None:
    """Main of `pulumi-resource-toy`."""
    directory = Path(os.environ["TOY_DIR"])
    boxes = Boxes(directory / "boxes")

    async def hold(ctx: Any, point: str) -> None:
        if not (directory / point).exists():
            return
        (directory / point).unlink()
        ctx.status("waiting")

        def wait() -> None:
            (directory / "reached").write_text("x")
            (directory / "go").read_text()

        await asyncio.to_thread(wait)

    async def before_id(ctx: Any) -> None:
        await hold(ctx, "hold-before-id")

    async def before_ready(ctx: Any) -> None:
        await hold(ctx, "hold-before-ready")

    cloud = Cloud(boxes=boxes, before_ready=before_ready, before_id=before_id)  # type: ignore[arg-type]
    first = 1 + max((int(id.removeprefix("box-")) for id in boxes), default=0)
    cloud.ids = itertools.count(first)
    serve(toy(cloud))


provider = toy(Cloud())
