"""Adaptive concurrency: a project gets fewer requests in flight when the upstream turns many of them away."""

import msgspec

from providers.failures import Kind

TURNED_AWAY = frozenset({Kind.RATE_LIMITED, Kind.OVERLOADED, Kind.TIMEOUT})
SAMPLE = 100  # how many answers make up the sample
TOLERATED = 0.1  # this part of the sample may be turned away
DOWN = 0.7  # the factor of one step down
STEPS = 20  # how many steps up lead from zero to the limit
CHANGE_SECONDS = 1.0  # the least time from one change to the next
MOST_SECONDS = 30  # seconds with answers that are remembered, even if they have few answers


class Second(msgspec.Struct, array_like=True):
    """The answers that came in one second."""

    at: int
    answers: int = 0
    turned_away: int = 0


class Adaptive(msgspec.Struct, array_like=True):
    """How many requests a project may have in flight. At first this is the limit, since nothing is known yet."""

    allowed: float | None = None  # None: as many as the limit
    changed_at: float = float("-inf")
    seconds: list[Second] = msgspec.field(default_factory=list)  # the latest ones, as many as make up the sample

    def note(self, *, answers: int, turned_away: int, drained: bool, limit: int, now: float) -> int:
        """Record a report, and return how many requests are allowed. The number changes at most every CHANGE_SECONDS."""
        self._add(answers, turned_away, int(now))
        allowed = min(self.allowed or limit, limit)
        if now - self.changed_at >= CHANGE_SECONDS:
            if drained or self._too_many_turned_away(int(now)):
                allowed = max(allowed * DOWN, 1)
                self.changed_at, self.seconds = now, []
            elif allowed < limit and answers:
                allowed = min(allowed + max(limit / STEPS, 1), limit)
                self.changed_at = now
        self.allowed = None if allowed >= limit else allowed
        return int(allowed)

    def _add(self, answers: int, turned_away: int, second: int) -> None:
        if not answers:
            return
        if not self.seconds or self.seconds[-1].at != second:
            self.seconds.append(Second(second))
        self.seconds[-1].answers += answers
        self.seconds[-1].turned_away += turned_away
        while len(self.seconds) > MOST_SECONDS or sum(one.answers for one in self.seconds[1:]) >= SAMPLE:
            del self.seconds[0]

    def _too_many_turned_away(self, second: int) -> bool:
        """Whether more than a tenth of the sample was turned away, or all of the at least two answers of a whole second."""
        turned_away = sum(one.turned_away for one in self.seconds)
        answers = sum(one.answers for one in self.seconds)
        whole = [one for one in self.seconds if one.at == second - 1]
        return turned_away > TOLERATED * max(answers, SAMPLE) or any(one.turned_away == one.answers > 1 for one in whole)
