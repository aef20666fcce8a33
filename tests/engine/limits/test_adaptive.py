"""How many requests a project gets in flight, by how many the upstream turns away."""

import pytest

from batches.engine.limits.adaptive import MOST_SECONDS, Adaptive

Report = tuple[float, int, int]  # when, answers, of which turned away


def after(*reports: Report, limit: int = 100) -> int:
    """What is allowed after these reports."""
    adaptive, allowed = Adaptive(), limit
    for now, answers, turned_away in reports:
        allowed = adaptive.note(answers=answers, turned_away=turned_away, drained=False, limit=limit, now=now)
    return allowed


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], 100),
        ([(10.0, 1, 1)], 100),
        ([(10.0, 1, 1), (11.0, 0, 0)], 100),
        ([(10.0, 100, 10)], 100),
        ([(10.0, 100, 11)], 70),
        ([(10.0, 50, 6), (10.2, 50, 6)], 70),
        ([(10.0, 1000, 100)], 100),
        ([(10.0, 1000, 101)], 70),
        ([(10.0, 11, 11)], 70),
        ([(10.0, 5, 5), (11.1, 0, 0)], 70),
        ([(10.0, 5, 4), (11.1, 0, 0)], 100),
        ([(10.0, 100, 50), (10.5, 100, 50)], 70),
        ([(10.0, 100, 50), (11.1, 100, 50)], 49),
        ([(10.0, 100, 50), (11.1, 100, 0)], 75),
        ([(10.0, 100, 50), (11.1, 0, 0)], 70),
        ([(10.0, 100, 50), (11.1, 10, 0), (11.5, 10, 0), (12.2, 10, 0)], 80),
        ([(10.0, 100, 11), (11.0, 100, 5), (12.0, 100, 5)], 80),
        ([(float(second), 100, 100) for second in range(60)], 1),
        ([(0.0, 100, 100), *((float(second), 1, 0) for second in range(1, 60))], 100),
    ],
)
def test_it_falls_and_rises_by_the_rules(reports: list[Report], expected: int) -> None:
    assert after(*reports) == expected


def test_it_falls_when_headers_say_that_nothing_is_left() -> None:
    adaptive = Adaptive()
    assert adaptive.note(answers=1, turned_away=0, drained=True, limit=100, now=5.0) == 70


def test_a_lower_limit_holds_at_once_and_a_higher_one_when_nothing_was_turned_away() -> None:
    adaptive = Adaptive()
    allowed = [adaptive.note(answers=1, turned_away=0, drained=False, limit=limit, now=5.0) for limit in (100, 10, 200)]
    assert allowed == [100, 10, 200]


def test_it_remembers_no_more_than_it_needs() -> None:
    adaptive = Adaptive()
    for second in range(1000):
        adaptive.note(answers=1, turned_away=0, drained=False, limit=100, now=float(second))
    assert len(adaptive.seconds) == MOST_SECONDS


def test_from_256_to_10_and_back_takes_half_a_minute() -> None:
    """As the README says."""
    adaptive, allowed, down = Adaptive(), 256, 0
    while allowed > 10:
        down += 1
        allowed = adaptive.note(answers=50, turned_away=50, drained=False, limit=256, now=float(down))
    up = down
    while allowed < 256:
        up += 1
        allowed = adaptive.note(answers=50, turned_away=0, drained=False, limit=256, now=float(up))
    assert (down, up - down) == (9, 20)
