"""A note on this disk that a bucket is about to be made: between its creation and its mark there is nothing else.

With it, a run that was killed in that gap finds its own bucket again; without it an unmarked bucket is a stranger's.
"""

from pathlib import Path


class Intents:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def note(self, mark: str, name: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / mark).write_text(name)

    def has(self, mark: str, name: str) -> bool:
        try:
            return (self._directory / mark).read_text() == name
        except OSError:
            return False

    def done(self, mark: str) -> None:
        (self._directory / mark).unlink(missing_ok=True)
