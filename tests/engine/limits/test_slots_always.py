"""What always holds of slots: never more than the limit, nobody starved, and all served alike."""

import random
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from batches.engine.limits.slots import TURN_SECONDS, Claim
from tests.engine.limits.divided import Slots


class Crowd:
    """Executors and projects that send calls of all lengths, as chance has it."""

    def __init__(self, seed: int, *, limit: int, projects: int, executors: int) -> None:
        self.chance = random.Random(seed)
        self.slots = Slots(limit, projects=self.chance.choice((projects, projects + 1)))
        self.projects, self.executors = "abcdef"[:projects], "xyz"[:executors]
        self.granted = {(executor, project): 0 for executor in self.executors for project in self.projects}
        self.flying: dict[tuple[str, str], list[float]] = {key: [] for key in self.granted}  # when each call ends
        self.asked_at = dict.fromkeys(self.executors, 0.0)
        self.wanting_since = dict.fromkeys(self.projects, 0.0)
        self.longest_wait = 0.0

    def step(self, *, wants: Mapping[str, int], lasts: Mapping[str, float]) -> None:
        self.slots.after(0.25)
        now = self.slots.now
        for key, calls in self.flying.items():
            calls[:] = [ends for ends in calls if ends > now]
            calls += [now + lasts[key[1]] * self.chance.uniform(0.2, 1.0) for _ in range(self.granted[key] - len(calls))]
        executor = self._next()
        claims = {}
        for project in self.projects:
            in_flight = max(len(self.flying[executor, project]), self.granted[executor, project])
            claims[project] = Claim(in_flight, len(self.flying[executor, project]) + wants[project], self.slots.limit)
        for project, part in self.slots.claim(executor, claims).items():
            self.granted[executor, project] = part
        self._watch(wants)

    def _next(self) -> str:
        """Any executor; but none is silent for long."""
        silent = min(self.executors, key=self.asked_at.__getitem__)
        executor = silent if self.slots.now - self.asked_at[silent] > 3.0 else self.chance.choice(self.executors)
        self.asked_at[executor] = self.slots.now
        return executor

    def _watch(self, wants: Mapping[str, int]) -> None:
        now = self.slots.now
        for project in self.projects:
            has = any(self.flying[executor, project] or self.granted[executor, project] for executor in self.executors)
            if has or not wants[project]:
                self.wanting_since[project] = now
            self.longest_wait = max(self.longest_wait, now - self.wanting_since[project])

    @property
    def used(self) -> int:
        return sum(max(len(calls), self.granted[key]) for key, calls in self.flying.items())


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 5), st.integers(1, 3))
def test_together_they_never_have_more_in_flight_than_the_limit(seed: int, limit: int, projects: int, executors: int) -> None:
    crowd = Crowd(seed, limit=limit, projects=projects, executors=executors)
    lasts = {project: crowd.chance.choice((0.1, 1.0, 8.0)) for project in crowd.projects}
    for _ in range(300):
        crowd.step(wants={project: crowd.chance.choice((0, 1, 5, 50)) for project in crowd.projects}, lasts=lasts)
        assert crowd.used <= limit


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(2, 6))
def test_nobody_who_wants_is_starved(seed: int, limit: int, projects: int) -> None:
    """With calls of up to 4 s and fewer slots than projects, each has one again before all the others were served twice."""
    crowd = Crowd(seed, limit=limit, projects=projects, executors=1)
    lasts = {project: crowd.chance.choice((0.1, 1.0, 4.0)) for project in crowd.projects}
    for _ in range(800):
        crowd.step(wants=dict.fromkeys(crowd.projects, 50), lasts=lasts)
    assert crowd.longest_wait <= 2 * projects * (4.0 + 2 * TURN_SECONDS)


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_over_a_while_all_are_served_alike_however_long_their_calls_are(seed: int, limit: int) -> None:
    crowd = Crowd(seed, limit=limit, projects=3, executors=1)
    had = dict.fromkeys(crowd.projects, 0)
    for _ in range(2000):
        crowd.step(wants=dict.fromkeys(crowd.projects, 50), lasts={"a": 4.0, "b": 1.0, "c": 0.1})
        for project in had:
            had[project] += crowd.granted["x", project] or len(crowd.flying["x", project])
    assert max(had.values()) <= 1.5 * min(had.values())


def test_the_order_of_names_decides_nothing_for_long() -> None:
    slots, had = Slots(2, projects=3), dict.fromkeys("abc", 0)
    flying = dict.fromkeys("abc", 0)
    for _ in range(400):
        flying = slots.ask(**{name: (number, 9) for name, number in flying.items()})
        slots.after(0.25)
        for name, number in flying.items():
            had[name] += number
    assert max(had.values()) < 1.2 * min(had.values())
