"""Many apps in one run, and the same module under two names."""

import asyncio
from typing import Any

import pytest

from tests.modal.world import SEARCH, World

pytestmark = pytest.mark.anyio


async def test_many_apps_are_deployed_at_once(world: World) -> None:
    apps: dict[str, Any] = {
        f"app{n}": SEARCH | {"name": f"app{n}", "env": {"N": str(n % 5)}, "tags": {"n": str(n)}}
        for n in range(20)
    }
    await asyncio.gather(*(world.engine.up(f"App/{name}", program) for name, program in apps.items()))
    assert {app.name: app.tags["n"] for app in world.modal.apps.values()} == {
        f"app{n}": str(n) for n in range(20)
    }
    modules = {name: world.engine.state[f"App/{name}"].plain["module"] for name in apps}
    assert len(set(modules.values())) == 5
    for name in apps:
        (mounted,) = {
            file.filename
            for mount_id in world.function(name, "Search.*").function.mount_ids
            for file in world.modal.mount_records[mount_id].files
        }
        assert mounted == f"/root/{modules[name]}.py"
    results = await asyncio.gather(*(world.engine.up(f"App/{name}", apps[name]) for name in apps))
    assert set(results) == {"same"}
