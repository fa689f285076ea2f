"""One repository with pull requests, comments and issues, and what may go wrong with its forge."""

import itertools
from collections import deque
from dataclasses import dataclass, field

REPO = "acme/shop"
BOT = "pilot-bot"
HEAD = "1a2b3c4d" * 5


@dataclass
class Note:
    id: int
    author: str | None
    body: str
    system: bool = False


@dataclass
class Request:
    """A pull request."""

    number: int
    head: str = HEAD
    branch: str = "change"
    owner: str = "acme"
    state: str = "open"
    merge: str = ""
    text: str = ""
    notes: list[Note] = field(default_factory=list)


@dataclass
class Topic:
    """An issue."""

    number: int
    author: str
    title: str
    body: str
    state: str = "open"


@dataclass
class Fault:
    """An answer instead of the real one, for a method. `done`: the effect happens nevertheless; `silent`: nothing is answered."""

    method: str
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"message": "Server Error"}'
    done: bool = False
    silent: bool = False


@dataclass
class World:
    """`tokens`: who each token is; "" = a job's token, which may not ask. `readers`: tokens that may not write."""

    pulls: dict[int, Request] = field(default_factory=lambda: {7: Request(7)})
    topics: list[Topic] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=lambda: {"glpat-canary-0451": BOT})
    readers: set[str] = field(default_factory=set)
    faults: deque[Fault] = field(default_factory=deque)
    log: list[tuple[str, str]] = field(default_factory=list)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(9001))

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [entry for entry in self.log if entry[0] != "GET"]

    def say(self, body: str, author: str | None = BOT, number: int = 7, system: bool = False) -> Note:
        note = Note(next(self.ids), author, body, system)
        self.pulls[number].notes.append(note)
        return note

    def fault_for(self, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method:
                self.faults.remove(fault)
                return fault
        return None
