"""Waiting in tests for what other threads and processes do."""

from collections.abc import Callable
from time import monotonic, sleep

PATIENCE = 60.0  # seconds until a test gives up waiting: a machine may be busy, and who need not wait loses nothing by it


def until(holds: Callable[[], object], *, pause: float = 0.01) -> None:
    """Wait until something holds; look again after so many seconds."""
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline, "It did not come about."
        sleep(pause)
