"""Waiting in tests for what other threads and processes do, and judging how long it took."""

from collections.abc import Callable
from time import monotonic, sleep

PATIENCE = 60.0  # seconds until a test gives up waiting: a machine may be busy, and who need not wait loses nothing by it
BUSY = 10  # so many times as long as promised may something take on a machine that also runs the rest of the gate

judges_seconds = False  # whether this run holds the portal to the seconds that it promises; tests/conftest.py sets it


def until(holds: Callable[[], object], *, pause: float = 0.01) -> None:
    """Wait until something holds; look again after so many seconds."""
    deadline = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < deadline, "It did not come about."
        sleep(pause)


def allowed(seconds: float) -> float:
    """How long something may take that is promised within so many seconds.

    The double run and the proof judge the promise as it stands. The gate runs everywhere and decides what lands, so that no test
    of it may fail because a machine is slow: there a bound only tells what comes from what does not.
    """
    return seconds if judges_seconds else BUSY * seconds
