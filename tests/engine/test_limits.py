"""The shares of a provider's concurrency."""

import random
import uuid

import pytest
import redis
from django.conf import settings as portal_settings

from batches.engine import limits
from batches.engine.limits import Limits, LocalLimits, RedisLimits

PROVIDER, A, B, C = (uuid.UUID(int=number) for number in range(1, 5))


def ask(shares: Limits, executor: uuid.UUID, *, wanted: int, in_flight: int = 0, limit: int = 10) -> int:
    return shares.share(PROVIDER, executor, wanted=wanted, in_flight=in_flight, limit=limit)


def test_a_lone_executor_gets_what_it_wants_up_to_the_limit() -> None:
    shares = LocalLimits()
    assert [ask(shares, A, wanted=wanted) for wanted in (0, 3, 10, 99)] == [0, 3, 10, 10]


def test_a_newcomer_waits_until_the_other_has_given_back_half() -> None:
    shares = LocalLimits()
    assert ask(shares, A, wanted=50) == 10
    assert ask(shares, B, wanted=50) == 0
    assert ask(shares, A, wanted=50, in_flight=10) == 5
    assert ask(shares, B, wanted=50) == 0, "the other still has ten in flight"
    assert ask(shares, A, wanted=50, in_flight=5) == 5
    assert ask(shares, B, wanted=50) == 5


def test_what_one_does_not_want_another_may_have() -> None:
    shares = LocalLimits()
    assert ask(shares, A, wanted=2) == 2
    assert ask(shares, B, wanted=50) == 8
    assert ask(shares, A, wanted=0) == 0
    assert ask(shares, B, wanted=50, in_flight=8) == 10


def test_an_executor_that_wants_nothing_more_still_uses_what_it_may_be_sending() -> None:
    shares = LocalLimits()
    ask(shares, A, wanted=10)
    assert ask(shares, A, wanted=0, in_flight=10) == 0
    assert ask(shares, B, wanted=10) == 0
    ask(shares, A, wanted=0)
    assert ask(shares, B, wanted=10) == 10


def test_more_executors_than_places_still_get_on() -> None:
    shares = LocalLimits()
    assert [ask(shares, executor, wanted=5, limit=1) for executor in (A, B, C)] == [1, 0, 0]
    assert ask(shares, A, wanted=5, in_flight=1, limit=1) == 1
    ask(shares, A, wanted=0, limit=1)
    assert ask(shares, B, wanted=5, limit=1) == 1


def test_a_dead_executors_share_is_free_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHARE_SECONDS", 0)
    shares = LocalLimits()
    assert ask(shares, A, wanted=10) == 10
    assert ask(shares, B, wanted=10) == 10


def test_providers_do_not_share() -> None:
    shares = LocalLimits()
    assert ask(shares, A, wanted=10) == 10
    assert shares.share(uuid.uuid4(), B, wanted=10, in_flight=0, limit=10) == 10


@pytest.mark.parametrize("seed", range(20))
def test_together_they_never_have_more_in_flight_than_the_limit(seed: int) -> None:
    chance, shares = random.Random(seed), LocalLimits()
    limit = chance.randint(1, 12)
    granted = dict.fromkeys((A, B, C), 0)
    flying = dict.fromkeys((A, B, C), 0)
    for _ in range(500):
        executor = chance.choice((A, B, C))
        # What is in flight changes at any time, up to what was granted last; the executor says what it may have meanwhile.
        flying[executor] = chance.randint(0, max(granted[executor], 0)) if granted[executor] else flying[executor] // 2
        may_be = max(flying[executor], granted[executor])
        wanted = max(chance.choice((0, 1, 5, 50)), flying[executor])
        granted[executor] = ask(shares, executor, wanted=wanted, in_flight=may_be, limit=limit)
        assert sum(max(flying[one], granted[one]) for one in granted) <= limit


@pytest.mark.django_db
@pytest.mark.servers
@pytest.mark.parametrize("seed", range(10))
def test_the_rule_in_redis_is_the_rule_in_process(seed: int) -> None:
    chance, local, shared = random.Random(seed), LocalLimits(), RedisLimits(portal_settings.REDIS_URL)
    provider = uuid.uuid4()
    for _ in range(100):
        call = {"wanted": chance.choice((0, 1, 5, 50)), "in_flight": chance.randint(0, 12), "limit": chance.randint(1, 12)}
        executor = chance.choice((A, B, C))
        assert shared.share(provider, executor, **call) == local.share(provider, executor, **call), call


@pytest.mark.django_db
@pytest.mark.servers
def test_shares_that_nobody_renews_leave_redis() -> None:
    provider = uuid.uuid4()
    RedisLimits(portal_settings.REDIS_URL).share(provider, A, wanted=5, in_flight=0, limit=10)
    seconds = redis.Redis.from_url(portal_settings.REDIS_URL).ttl(f"batchyard:shares:{provider.hex}")
    assert isinstance(seconds, int)
    assert 0 < seconds <= limits.SHARE_SECONDS
