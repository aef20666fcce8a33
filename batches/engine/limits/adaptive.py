"""Adaptive concurrency: how many requests a project gets in flight, by how many the upstream turns away."""

import msgspec

from providers.failures import Kind

TURNED_AWAY = frozenset({Kind.RATE_LIMITED, Kind.OVERLOADED, Kind.TIMEOUT})
SAMPLE = 100  # answers
TOLERATED = 0.1  # of them may be turned away
DOWN = 0.7
STEPS = 20  # up from nothing to the limit
CHANGE_SECONDS = 1.0  # at least, from one change to the next
MOST_SECONDS = 30  # that are remembered, however few answers came in them


class Second(msgspec.Struct, array_like=True):
    """What came back in one second."""

    at: int
    answers: int = 0
    turned_away: int = 0


class Adaptive(msgspec.Struct, array_like=True):
    """How many requests may be in flight at present. Nothing is known at first: then as many as the limit says."""

    allowed: float | None = None
    changed_at: float = float("-inf")
    seconds: list[Second] = msgspec.field(default_factory=list)  # the latest, as many as make up the sample

    def note(self, *, answers: int, turned_away: int, drained: bool, limit: int, now: float) -> int:
        """Take a report in, change what is allowed if it is time and reason to, and say what is."""
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
        """Over a tenth of the sample, or everything in a whole second: but a lone one says nothing."""
        turned_away = sum(one.turned_away for one in self.seconds)
        answers = sum(one.answers for one in self.seconds)
        whole = [one for one in self.seconds if one.at == second - 1]
        return turned_away > TOLERATED * max(answers, SAMPLE) or any(one.turned_away == one.answers > 1 for one in whole)
