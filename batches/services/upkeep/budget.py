"""budget: the time that one run of retention may take, and the pauses between its pieces, in which others use the database."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings

LONGEST_PAUSE = 1.0  # seconds
RUN_SECONDS = 60.0  # how long one step of `prune` may take; the beat starts the next run five minutes later


class Budget:
    """A bound on the time of a run. Each piece of work is followed by a pause of PRUNE_PAUSE times its own length.

    Without a number of seconds, a run may take PRUNE_SECONDS.
    """

    def __init__(
        self,
        seconds: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._end = clock() + (settings.PRUNE_SECONDS if seconds is None else seconds)

    @property
    def is_spent(self) -> bool:
        """Whether no further piece may begin."""
        return self._clock() >= self._end

    @contextmanager
    def piece(self) -> Iterator[None]:
        """One piece of work, and the pause after it."""
        began = self._clock()
        yield
        pause = min((self._clock() - began) * settings.PRUNE_PAUSE, LONGEST_PAUSE, self._end - self._clock())
        if pause > 0:
            self._sleep(pause)
