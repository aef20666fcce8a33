"""The pace that clients must keep when they send or read. Pure rules; each connection is checked once a second."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace that a client must keep: at least `bytes` in each interval of `seconds`."""

    seconds: float
    bytes: int


@dataclass(slots=True)
class Progress:
    """The progress of a client in the current interval: its beginning, and the bytes that the client had moved before it."""

    began_at: float
    moved_before: int

    def is_too_slow(self, pace: Pace, *, moved: int, now: float) -> bool:
        """Whether the interval has ended with too few bytes moved. `moved` is the number of bytes since the very beginning.

        If the interval has ended with enough bytes, the next interval begins.
        """
        if now - self.began_at < pace.seconds:
            return False
        if moved - self.moved_before < pace.bytes:
            return True
        self.began_at, self.moved_before = now, moved
        return False
