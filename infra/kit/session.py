"""What one run of the engine has shown us: which entries of its state are alive, what we made, what we deleted.

A session begins at Configure. It answers the two questions of promise 1: which mark does a new object get, and
is a Delete meant for the object that we just made?
"""

import itertools
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.kit.journal import OPEN, RETURNED, SETTLED, Journal, Line, abandoned
from infra.kit.mark import Entry, Mark, base_hash, generation, short, urn_hash
from infra.kit.model import Model
from infra.spec.findings import UNKNOWN, Unknown


class Session:
    def __init__(self, instance: str, root: Path | None, owner: str = "") -> None:
        self.instance = instance
        self.root = root
        self.journal = Journal(journal_directory(root), instance, owner)
        self.deleted: set[tuple[str, str]] = set()  # (type, id)
        self._live: dict[str, dict[str, str]] = defaultdict(
            dict
        )  # urn -> mark -> nonce, from the engine's state
        self._ids: dict[tuple[str, str], set[str]] = defaultdict(set)  # (urn, id) -> nonces of live entries
        self._returned: list[tuple[str, str]] = []  # (urn hash, mark) made in this session
        self.wrote = False

    def seen(self, urn: str, inputs: Mapping[str, Any], id: str | None = None) -> None:
        """The engine's state holds an entry with these inputs."""
        entry = Entry.of(inputs)
        if entry is None:
            return
        self._live[urn][str(entry.mark)] = entry.nonce
        if id:
            self._ids[urn, id].add(entry.nonce)
        if self.journal.get(urn_hash(urn), str(entry.mark)) is not None or id:
            self.journal.settle(urn_hash(urn), str(entry.mark))

    def choose(self, urn: str, model: type[Model], inputs: Mapping[str, Any], seed: bytes) -> Entry | Unknown:
        """The entry for a new object: an unfinished creation is taken up, a living mark is never used again."""
        base = base_hash(model, inputs)
        if isinstance(base, Unknown):
            return UNKNOWN
        lines = self.journal.lines(urn_hash(urn))
        live = set(self._live[urn]) | {line.mark for line in lines if line.phase == SETTLED}
        unfinished = (line.mark for line in lines if line.base == base and line.mark not in live)
        fresh = (
            mark
            for n in itertools.count()
            if str(mark := generation(self.instance, urn, base, n)) not in live
        )
        mark = Mark.parse(next(unfinished, "")) or next(fresh)
        return Entry(mark, short(seed or os.urandom(16), 8))

    def line(self, urn: str, entry: Entry | Unknown) -> Line | None:
        """What the journal has on an entry's mark."""
        return None if isinstance(entry, Unknown) else self.journal.get(urn_hash(urn), str(entry.mark))

    def leftovers(self, urn: str, current: Mark) -> list[Line]:
        """Creations of this URN that were cut off and are neither in the engine's state nor `current`."""
        live = self._live[urn]
        return [
            line
            for line in self.journal.lines(urn_hash(urn))
            if line.phase != SETTLED
            and line.mark != str(current)
            and line.mark not in live
            and (urn_hash(urn), line.mark) not in self._returned
            and not _running(line.pid)
        ]

    def begin(self, urn: str, entry: Entry, base: str, names: dict[str, str]) -> Line:
        """Note the intent on disk before the first call to the cloud."""
        known = self.journal.get(urn_hash(urn), str(entry.mark))
        line = Line(str(entry.mark), base, OPEN, known.id if known else "", os.getpid(), names)
        self.journal.put(urn_hash(urn), line)
        self.write()
        return line

    def made(self, urn: str, entry: Entry, line: Line, id: str) -> None:
        """Our answer (ready, or failed after it was made) goes to the engine now.

        Whether it is saved we learn at `finish` or in the next run.
        """
        self._ids[urn, id].add(entry.nonce)
        self._live[urn][str(entry.mark)] = entry.nonce
        line.id = id
        line.phase = RETURNED
        self._returned.append((urn_hash(urn), str(entry.mark)))
        self.journal.put(urn_hash(urn), line)
        self.write()

    def shared(self, urn: str, id: str, inputs: Mapping[str, Any]) -> bool:
        """Whether another living entry than the one with these inputs has the same object. Forgets this one."""
        entry = Entry.of(inputs)
        if entry is None:
            return False
        nonces = self._ids[urn, id]
        nonces.discard(entry.nonce)
        return bool(nonces)

    def is_live(self, urn: str, id: str) -> bool:
        """Whether an entry of the engine's state is known to have this object."""
        lines = self.journal.lines(urn_hash(urn))
        return bool(self._ids[urn, id]) or any(line.id == id and line.phase == SETTLED for line in lines)

    def gone(self, urn: str, type: str, id: str, inputs: Mapping[str, Any]) -> None:
        self.deleted.add((type, id))
        self._ids.pop((urn, id), None)
        entry = Entry.of(inputs)
        if entry is None:
            return
        self._live[urn].pop(str(entry.mark), None)
        self.journal.drop(urn_hash(urn), str(entry.mark))
        self.write()

    def finish(self) -> None:
        """The engine ends the run in order, so it has saved what we answered before."""
        if not self.wrote:
            return
        for key, mark in self._returned:
            self.journal.settle(key, mark)
        self._returned.clear()
        self.journal.write()

    def write(self) -> None:
        self.wrote = True
        self.journal.write()


def journal_directory(root: Path | None) -> Path | None:
    return root / ".pilotlight" / "journal" if root else None


def instance_of_a_killed_run(root: Path | None, owner: str) -> str | None:
    directory = journal_directory(root)
    if directory is None:
        return None
    try:
        return abandoned(directory, owner)
    except OSError:
        return None


def _running(pid: int) -> bool:
    if pid in (0, os.getpid()):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
