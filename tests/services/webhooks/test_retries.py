"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from batches.services.webhooks.retries import JITTER, LONGEST_PAUSE, LONGEST_WISH, next_try

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)


def pause(attempts: int, *, retry_after: float | None = None, until: datetime = NEVER) -> timedelta | None:
    again = next_try(attempts=attempts, now=NOW, until=until, retry_after=retry_after)
    return None if again is None else again - NOW


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [(1, timedelta(seconds=5)), (2, timedelta(seconds=20)), (3, timedelta(seconds=80)), (8, LONGEST_PAUSE), (500, LONGEST_PAUSE)],
)
def test_pauses_grow_up_to_six_hours_and_differ_a_little(attempts: int, expected: timedelta) -> None:
    found = [pause(attempts) for _ in range(50)]

    assert all(one is not None and expected * (1 - JITTER) <= one <= expected * (1 + JITTER) for one in found)
    assert len(set(found)) > 10


@pytest.mark.parametrize(("wish", "expected"), [(600.0, timedelta(minutes=10)), (1e9, LONGEST_WISH)])
def test_a_receiver_may_ask_for_a_longer_pause_up_to_an_hour(wish: float, expected: timedelta) -> None:
    assert pause(1, retry_after=wish) == expected


def test_a_receiver_cannot_ask_for_a_shorter_pause() -> None:
    found = pause(8, retry_after=0.0)

    assert found is not None
    assert found > timedelta(hours=4)


def test_no_try_is_later_than_the_end() -> None:
    assert pause(1, until=NOW + timedelta(seconds=3)) is None
    assert pause(1, until=NOW + timedelta(seconds=7)) is not None


def test_there_are_about_twenty_tries_in_three_days() -> None:
    now, tries, until = NOW, 1, NOW + timedelta(hours=72)
    while again := next_try(attempts=tries, now=now, until=until):
        now, tries = again, tries + 1

    assert 15 <= tries <= 25
