"""Messages on the way to the engine."""

import asyncio
from typing import Any

import pytest

from infra.kit.engine import Engine


class Stub:
    def __init__(self) -> None:
        self.logged: list[Any] = []

    async def Log(self, request: Any) -> None:
        self.logged.append(request)


@pytest.mark.parametrize(
    ("about", "urn"),
    [
        ("urn:pulumi:dev::shop::toy:index:Box::a", "urn:pulumi:dev::shop::toy:index:Box::a"),
        ("toy:index:getBox", ""),
        ("", ""),
    ],
)
def test_what_is_no_urn_never_reaches_the_engine_as_one(about: str, urn: str) -> None:
    async def say() -> Stub:
        engine, stub = Engine(), Stub()
        engine._stub = stub
        engine.status(about, "waiting")
        engine.warn(about, "careful")
        await engine.flush()
        return stub

    assert [request.urn for request in asyncio.run(say()).logged] == [urn, urn]
