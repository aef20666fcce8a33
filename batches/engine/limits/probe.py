"""The probe of something that is shut: one call, of one executor, finds out whether it can be opened again."""

import msgspec

PROBE_SECONDS = 5.0  # a probe whose executor is not heard of for so long is somebody else's


class Probe(msgspec.Struct):
    """Which executor may send the probe at present. Times are seconds of the clock that `now` is read from."""

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
