"""The sliding windows: never more than the limit in any stretch of a window's length, whatever is asked for and when."""

import math
import random

import pytest

from batches.engine.limits.windows import FULL_PARTS, Window, WindowSize

SPAN = WindowSize(60.0)


def granted(window: Window, wanted: int, *, at: float, limit: int, least: int = 1) -> int:
    """How much is granted then, and noted."""
    amount = window.grantable(wanted, least=least, limit=limit, now=at, span=SPAN)
    if amount:
        window.take(amount, now=at, span=SPAN)
    return amount


def worst(used: list[tuple[float, int]]) -> int:
    """The most that was used in any stretch of 60 seconds."""
    return max((sum(amount for at, amount in used if start <= at < start + 60) for start, _ in used), default=0)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("limit", [1, 7, 60, 1000])
def test_no_stretch_of_a_minute_holds_more_than_the_limit(seed: int, limit: int) -> None:
    chance, window, now = random.Random(seed), Window(), 1000.0
    used: list[tuple[float, int]] = []
    while now < 1400:
        now += chance.choice((0.01, 0.25, 0.25, 3.0))
        amount = granted(window, chance.choice((1, 5, 10_000)), at=now, limit=limit)
        used.append((now + chance.uniform(0, SPAN.valid), amount))
    assert 0 < worst(used) <= limit


def test_nearly_all_of_the_limit_can_be_used() -> None:
    window, used = Window(), 0
    for step in range(4 * 600):
        used += granted(window, 10_000, at=1000 + step / 4, limit=600)
    assert 0.97 * 600 * 10 <= used <= 600 * 11


def test_grants_are_spread_and_not_a_burst_each_minute() -> None:
    window = Window()
    first = sum(granted(window, 10_000, at=1000 + step / 4, limit=600) for step in range(10))
    assert first <= 600 / FULL_PARTS + 1


@pytest.mark.parametrize("seed", range(20))
def test_after_lost_state_past_and_present_together_keep_the_limit(seed: int) -> None:
    chance, window, now = random.Random(seed), Window(), 1000.0
    used: list[tuple[float, int]] = []
    limit, lost_at = chance.choice((3, 60, 1000)), chance.uniform(1010, 1100)
    idle_until = chance.choice((0.0, lost_at - 3))
    while now < 1200:
        now += chance.choice((0.1, 0.25))
        if now >= lost_at:
            window, lost_at = Window.of_unknown_past(limit=limit, now=now, span=SPAN), math.inf
        if now > idle_until:
            used.append((now + chance.uniform(0, SPAN.valid), granted(window, 10_000, at=now, limit=limit)))
    assert worst(used) <= limit


def test_after_lost_state_permits_are_released_only_as_time_passes() -> None:
    window = Window.of_unknown_past(limit=600, now=1000.0, span=SPAN)
    assert granted(window, 600, at=1001, limit=600) == 0
    released = sum(granted(window, 10_000, at=1000 + step / 4, limit=600) for step in range(4 * 60))
    assert 300 < released <= 600


@pytest.mark.parametrize("limit", [1, 5, 60, 1000])
def test_it_says_when_there_is_more(limit: int) -> None:
    window, now = Window(), 1000.0
    for _ in range(200):
        while granted(window, 10_000, at=now, limit=limit):
            pass
        wait = window.opens_in(1, limit=limit, now=now, span=SPAN)
        assert wait > 0
        assert window.grantable(1, least=1, limit=limit, now=now + wait * 0.9 - SPAN.cell, span=SPAN) == 0
        now += wait + 0.001
        assert window.grantable(1, least=1, limit=limit, now=now, span=SPAN) >= 1


def test_what_was_not_used_can_be_granted_again() -> None:
    window = Window()
    assert granted(window, 1, at=1000.0, limit=1) == 1
    assert granted(window, 1, at=1000.5, limit=1) == 0
    window.give_back(SPAN.cell_at(1000.0), 1)
    assert granted(window, 1, at=1000.5, limit=1) == 1


def test_what_was_used_beyond_the_estimate_counts() -> None:
    window = Window()
    assert granted(window, 40, at=1000.0, limit=100, least=40) == 40
    window.give_back(SPAN.cell_at(1000.0), -60)
    assert granted(window, 1, at=1010.0, limit=100) == 0


def test_what_was_granted_before_the_state_was_lost_gives_nothing_back() -> None:
    window = Window()
    window.give_back(3, 100)
    assert window.cells == {}


def test_one_that_is_larger_than_the_limit_passes_when_nothing_else_does() -> None:
    window = Window()
    assert granted(window, 5000, at=1000.0, limit=100, least=5000) == 100
    assert granted(window, 1, at=1059.0, limit=100) == 0
    assert granted(window, 5000, at=1061.0, limit=100, least=5000) == 100


def test_a_shorter_window_keeps_its_own_time() -> None:
    short, window = WindowSize(6.0), Window()
    window.take(10, now=100.0, span=short)
    assert window.grantable(1, least=1, limit=10, now=105.9, span=short) == 0
    assert window.grantable(1, least=1, limit=10, now=106.2, span=short) == 1
