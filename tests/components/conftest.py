"""A program runs without engine and cloud; what it registers is kept."""

import asyncio
from collections.abc import Iterator

import pulumi
import pytest

from tests.components.recorder import Recorder


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    # the SDK takes the loop that is current, and another test may have closed its own
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="pilotlight", stack="dev")
    pulumi.runtime.set_all_config({})
    # the SDK keeps the stack of the program before; with an engine each program has a process of its own
    pulumi.runtime.get_root_resource().__dict__.pop("_pilotlight_costs", None)
    yield recorder
    loop.close()
