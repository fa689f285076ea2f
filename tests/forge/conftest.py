"""A forge of each kind on this machine, and a clock that only moves when somebody waits."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from infra.forge import Forge, Kind, Place, open_forge
from infra.forge.api import Clock
from infra.report.marker import Marker
from tests.forge.server import serve
from tests.forge.world import HEAD, REPO, World

TOKEN = "glpat-canary-0451"


@dataclass
class Time:
    now: float = 1_800_000_000.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: self.now, self.sleep, lambda: 0.5)


@dataclass
class Site:
    """A forge that runs, and how to reach it. `said`: what the user was told."""

    kind: Kind
    url: str
    world: World
    time: Time
    said: list[str] = field(default_factory=list)

    def place(self, number: int | None = 7) -> Place:
        return Place(self.kind, self.url, REPO, number, None, TOKEN, "FORGE_TOKEN")

    def forge(self) -> Forge:
        return open_forge(self.place(), self.said.append, self.time.clock())


@pytest.fixture
def kind() -> Kind:
    return Kind.GITHUB


@pytest.fixture
def site(kind: Kind) -> Iterator[Site]:
    world = World()
    with serve(kind.value, world) as url:
        yield Site(kind, url, world, Time())


def report(stack: str = "prod", digest: str = "ab" * 32, head: str = HEAD, text: str = "### fine") -> str:
    return f"{Marker('shop', stack, digest, head).line()}\n{text}\n"
