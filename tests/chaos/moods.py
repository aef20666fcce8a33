"""Moods of an upstream: random misbehaviour for a while, and a record of it."""

import random
from collections.abc import Callable, Mapping

from tests.answers import Answer, Behaviour, Request, babble, break_off, drop, refuse, say, stay_silent, succeed
from tests.chaos.client import LATENCY, usual

SHARE = 0.15  # the part of the calls that the mood spoils
GOOD = "good"
MOODS: Mapping[str, Callable[[], Answer]] = {
    "silent": stay_silent,
    "dropping": drop,
    "cutting bodies": break_off,
    "cutting chunks": lambda: break_off(chunked=True),
    "talking no HTTP": babble,
    "failing inside a success": lambda: say(b'{"error":{"message":"busy","code":503}}'),
    "failing": lambda: refuse(500),
    "storming": lambda: refuse(429, retry_after=0.5),
    "overloaded": lambda: refuse(529),
    "slow": lambda: succeed(delay=10 * LATENCY),
}


class Moody:
    """Answers as usual, except a share of the calls, which the mood spoils. `final` holds the calls that were not spoilt."""

    def __init__(self, seed: int) -> None:
        self.mood = GOOD
        self.final: set[int] = set()
        self._random = random.Random(seed)

    @property
    def behaviour(self) -> Behaviour:
        return self._answer

    def _answer(self, request: Request) -> Answer:
        share = 1.0 if self.mood == "storming" else SHARE
        if self.mood == GOOD or self._random.random() > share:
            self.final.add(request.number)
            return usual(request)
        answer = MOODS[self.mood]()
        if self.mood == "slow":
            self.final.add(request.number)
        return answer
