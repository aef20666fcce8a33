"""Blame: when the trouble of projects is that of their provider; and the probe that finds out whether it is over."""

from collections.abc import Iterable
from enum import Enum

import msgspec

PROBE_SECONDS = 5.0  # a probe whose executor is not heard of for so long is somebody else's


class Vote(Enum):
    """What a project's own answers say of its provider."""

    WELL = "well"
    TROUBLED = "troubled"
    UNDECIDED = "undecided"


def is_in_trouble(votes: Iterable[Vote]) -> bool:
    """Whether the provider itself is: somebody has trouble, and nobody is well."""
    found = set(votes)
    return Vote.TROUBLED in found and Vote.WELL not in found


class Probe(msgspec.Struct, array_like=True):
    """The one call that finds out whether something that is shut can be opened again.

    It is of one executor. Times are seconds of the clock that `now` is read from.
    """

    executor: str = ""
    ends: float = float("-inf")

    def lets(self, executor: str, *, in_flight: int, now: float) -> bool:
        """Whether this executor, which wants to send, may send the probe now."""
        if executor != self.executor and self.executor and now < self.ends:
            return False
        is_flying = executor == self.executor and in_flight > 0
        self.executor, self.ends = executor, now + PROBE_SECONDS
        return not is_flying

    def is_of(self, executor: str) -> bool:
        """Whether what this executor reports may be what came of the probe."""
        return executor == self.executor

    def end(self) -> None:
        """What came of it is known: the next probe is anybody's."""
        self.executor = ""
