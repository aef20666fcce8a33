"""How long the portal waits for a client that sends or reads slowly: pure rules, asked once a second of every connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The least that a client must move: so many bytes in each stretch of so many seconds."""

    seconds: float
    bytes: int


@dataclass(slots=True)
class Progress:
    """What a client has moved since the present stretch began. The number of bytes that it has moved in all only grows."""

    began_at: float
    moved_before: int

    def is_too_slow(self, pace: Pace, *, moved: int, now: float) -> bool:
        """Whether a stretch has ended in which too little moved. After a stretch that was good the next one begins."""
        if now - self.began_at < pace.seconds:
            return False
        if moved - self.moved_before < pace.bytes:
            return True
        self.began_at, self.moved_before = now, moved
        return False
