"""What a worker does before its first request, whichever cloud it is in: weights, concurrency, and doing both at once."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import StartError

if TYPE_CHECKING:
    from .weights import Weights

T = TypeVar("T")


def staged_weights() -> "Weights | None":
    """The staged weights; None where none are staged, and `load` gets the handler's own directory."""
    uri = os.environ.get("PILOTLIGHT_WEIGHTS")
    if not uri:
        return None
    from .objects import Store
    from .weights import fetch

    root = Path(os.environ.get("PILOTLIGHT_CACHE") or "~/.cache/pilotlight").expanduser()
    return fetch(uri, root, lambda: Store.from_env(os.environ))


def concurrency() -> int:
    """Requests at once, from the environment. Raises StartError."""
    text = os.environ.get("PILOTLIGHT_CONCURRENCY", "1")
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise StartError(f"PILOTLIGHT_CONCURRENCY is {text!r}; wanted a whole number from 1 to 1000")
    return int(text)


class Background(Generic[T]):
    """A function's result, worked out in a thread that does not keep the process alive."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._outcome: list[T] = []
        self.seconds = 0.0
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            outcome, self.seconds = timed(self._function)
            self._outcome.append(outcome)
        except BaseException as error:
            self._error = error

    def wait(self) -> None:
        self._thread.join()

    def result(self) -> T:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._outcome[0]


def timed(function: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    return function(), time.perf_counter() - begun
