"""Blame: the rule that says when the trouble of projects is the provider's own, and the probe that finds out if it is over."""

from collections.abc import Iterable
from enum import Enum

import msgspec

PROBE_SECONDS = 5.0  # after this long without a word of the executor with the probe, another executor may probe


class Vote(Enum):
    """The verdict of a project's own answers on its provider."""

    WELL = "well"
    TROUBLED = "troubled"
    UNDECIDED = "undecided"


def is_in_trouble(votes: Iterable[Vote]) -> bool:
    """Whether the provider itself is in trouble: some project is troubled, and no project is well."""
    found = set(votes)
    return Vote.TROUBLED in found and Vote.WELL not in found


class Probe(msgspec.Struct, array_like=True):
    """The one call that finds out whether a breaker or a hold can end. One executor has the right to send it.

    Times are seconds on the clock that `now` is read from.
    """

    executor: str = ""
    ends: float = float("-inf")

    def lets(self, executor: str, *, in_flight: int, now: float) -> bool:
        """Whether this executor may send the probe now. The executor must have something to send."""
        if executor != self.executor and self.executor and now < self.ends:
            return False
        is_flying = executor == self.executor and in_flight > 0
        self.executor, self.ends = executor, now + PROBE_SECONDS
        return not is_flying

    def is_of(self, executor: str) -> bool:
        """Whether a report of this executor may be about the probe."""
        return executor == self.executor

    def end(self) -> None:
        """Note that the probe's outcome is known. Any executor may send the next one."""
        self.executor = ""
