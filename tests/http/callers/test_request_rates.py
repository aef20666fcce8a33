"""How many calls of the API are made in a minute."""

import threading
from collections.abc import Iterator, Sequence

import pytest
import redis

from batches.http.callers.request_rates import LocalCounts, Rate, Rates, SharedCounts, opens_in, room
from tests.servers import free_port, own_redis_url

START = 1_000_000 * 60.0  # the beginning of a minute, in seconds since 1970


def allowed(rates: Rates, rate: Sequence[Rate], *, calls: int, now: float) -> int:
    """How many of so many calls at one moment may be made."""
    return sum(not rates.wait(rate, now=now) for _ in range(calls))


@pytest.mark.parametrize(
    ("used", "before", "elapsed", "free"),
    [
        (0, 0, 0.0, 10),
        (10, 0, 59.0, 0),
        (0, 10, 0.0, 0),  # all of the last minute's calls lie within the last 60 seconds
        (0, 10, 30.0, 5),
        (0, 10, 60.0, 10),
        (5, 10, 30.0, 0),
    ],
)
def test_of_the_last_minute_counts_what_lies_within_sixty_seconds(used: int, before: int, elapsed: float, free: float) -> None:
    assert room(10, used=used, before=before, elapsed=elapsed) == pytest.approx(free)


@pytest.mark.parametrize(
    ("limit", "used", "before"), [(1, 1, 0), (10, 10, 0), (10, 10, 10), (10, 0, 10), (10, 9, 10), (10, 3, 10)]
)
@pytest.mark.parametrize("elapsed", [0.0, 12.3, 59.9])
def test_there_is_room_when_it_was_said_to_be_and_not_before(limit: int, used: int, before: int, elapsed: float) -> None:
    wait = opens_in(limit, used=used, before=before, elapsed=elapsed)

    def room_at(moment: float) -> float:
        if moment < 60:
            return room(limit, used=used, before=before, elapsed=moment)
        return room(limit, used=0, before=used, elapsed=moment - 60)

    assert room_at(elapsed + wait) >= 1 - 1e-9
    assert wait == 0 or room_at(elapsed + wait - 0.01) < 1


def test_so_many_calls_may_be_made_at_once_and_no_more() -> None:
    rates = Rates(LocalCounts())

    assert allowed(rates, [Rate("key", 5)], calls=9, now=START) == 5
    assert allowed(rates, [Rate("other key", 5)], calls=9, now=START) == 5


def test_keys_of_one_project_share_its_rate() -> None:
    rates = Rates(LocalCounts())

    assert allowed(rates, [Rate("a", 5), Rate("project", 8)], calls=9, now=START) == 5
    assert allowed(rates, [Rate("b", 5), Rate("project", 8)], calls=9, now=START) == 3


@pytest.mark.parametrize("limit", [7, 600, 6000])
def test_no_sixty_seconds_hold_many_more_calls_than_the_limit_however_they_are_spread(limit: int) -> None:
    rates, made = Rates(LocalCounts()), []
    rate = [Rate("key", limit)]
    for tenth in range(2400):
        now = START + tenth / 10
        made += [now] * allowed(rates, rate, calls=limit if tenth % 7 == 0 else 1, now=now)

    most = max(sum(start <= moment < start + 60 for moment in made) for start in set(made))
    assert most <= limit * 1.5 + 1  # of the minute before, only the number is known
    assert len(made) >= limit * 3


def test_who_is_refused_may_come_back_when_told() -> None:
    rates, rate = Rates(LocalCounts()), [Rate("key", 3)]
    assert allowed(rates, rate, calls=9, now=START + 10) == 3
    wait = rates.wait(rate, now=START + 10)

    assert rates.wait(rate, now=START + 10 + wait - 1) > 0
    assert rates.wait(rate, now=START + 10 + wait) == 0


def test_refused_calls_do_not_count() -> None:
    rates, rate = Rates(LocalCounts()), [Rate("key", 60)]
    for tenth in range(1200):
        rates.wait(rate, now=START + tenth / 10)
    late = START + 120

    assert sum(not rates.wait(rate, now=late + tenth / 10) for tenth in range(600)) >= 50


class Counted(LocalCounts):
    """Counts how often it was asked."""

    asked = 0

    def add(self, subjects: Sequence[str], *, minute: int, amount: int) -> list[tuple[int, int]]:
        self.asked += 1
        return super().add(subjects, minute=minute, amount=amount)


def test_a_busy_key_asks_seldom_and_a_small_limit_is_exact() -> None:
    counts = Counted()
    rates = Rates(counts)

    assert allowed(rates, [Rate("busy", 6000)], calls=600, now=START) == 600
    assert counts.asked < 60
    assert allowed(rates, [Rate("small", 20)], calls=600, now=START) == 20


def test_a_key_that_hammers_on_asks_nobody() -> None:
    counts = Counted()
    rates = Rates(counts)
    allowed(rates, [Rate("key", 1)], calls=2, now=START)
    asked = counts.asked

    assert allowed(rates, [Rate("key", 1)], calls=100, now=START + 0.5) == 0
    assert counts.asked == asked


def test_many_threads_together_make_no_more_calls_than_one() -> None:
    rates, rate = Rates(LocalCounts()), [Rate("key", 100)]
    made: list[int] = []
    threads = [threading.Thread(target=lambda: made.append(allowed(rates, rate, calls=50, now=START))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(made) == 100


@pytest.fixture
def shared() -> Iterator[str]:
    """A Redis that is empty."""
    url = own_redis_url()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.mark.servers
def test_web_processes_count_together_by_redis(shared: str) -> None:
    first, second = Rates(SharedCounts(shared)), Rates(SharedCounts(shared))
    rate = [Rate("key", 10), Rate("project", 100)]

    made = [not one.wait(rate, now=START) for _ in range(10) for one in (first, second)]

    assert made == [True] * 10 + [False] * 10


@pytest.mark.servers
def test_what_is_counted_in_redis_is_forgotten_in_time(shared: str) -> None:
    Rates(SharedCounts(shared)).wait([Rate("key", 10)], now=START)

    with redis.Redis.from_url(shared) as client:
        (name,) = client.keys("batchyard:calls:*")
        assert 0 < client.ttl(name) <= 180


def test_while_redis_is_away_each_process_counts_by_itself() -> None:
    rates, rate = Rates(SharedCounts(f"redis://127.0.0.1:{free_port()}/0")), [Rate("key", 5)]

    assert allowed(rates, rate, calls=9, now=START) == 5
