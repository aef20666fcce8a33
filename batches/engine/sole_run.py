"""sole_run: a process runs one loop of a kind at a time, so that loops of one kind do not take the threads of another."""

import threading
from collections.abc import Callable


class SoleRun:
    """Lets one run begin at a time. A run that would be the second one is left out: the first does its work."""

    def __init__(self) -> None:
        self._running = threading.Lock()

    def __call__(self, run: Callable[[], None]) -> None:
        if not self._running.acquire(blocking=False):
            return
        try:
            run()
        finally:
            self._running.release()
