"""The limits of a provider over all executors, in process and in Redis: the same rules in both."""

import uuid
from collections.abc import Callable, Iterator
from time import monotonic, sleep

import msgspec
import pytest
import redis
from django.conf import settings as portal_settings

from batches.engine.limits.asks import Ask, Award, Bid, Caps, Grant, Tally, Want
from batches.engine.limits.breaker import FAILURES
from batches.engine.limits.hold import STRIKES, Orders, Seen
from batches.engine.limits.keeping import KEPT_SECONDS, Limits, LocalLimits, RedisLimits
from batches.engine.limits.state import WHOLE
from providers.failures import Kind
from tests.waiting import PATIENCE, allowed

A, B, C = (uuid.UUID(int=number) for number in range(1, 4))
ACME, GLOBEX = "acme", "globex"
DOWN = Kind.CONNECT
WINDOW = 2.4  # seconds; long enough for a few calls
LATE = 0.2  # by so many seconds may the time of a grant be read too late

Make = Callable[[], Limits]
places = pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: LocalLimits(window_seconds=WINDOW), id="in process"),
        pytest.param(
            lambda: RedisLimits(portal_settings.REDIS_URL, window_seconds=WINDOW),
            marks=[pytest.mark.servers, pytest.mark.django_db],
            id="in Redis",
        ),
    ],
)


def whole(*, concurrency: int = 10, requests: int | None = None, wanted: int = 10, in_flight: int = 0, **more: object) -> Want:
    """What is wanted of a provider as a whole; as many permits as calls in flight."""
    caps = Caps(concurrency, requests)
    return Want(caps, in_flight=in_flight, wanted=wanted, requests=wanted, **more)  # type: ignore[arg-type]


class Provider:
    """A provider of its own, and executors that ask for it."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.id = limits, uuid.uuid4()

    def grant(
        self,
        executor: uuid.UUID,
        want: Want,
        tally: Tally | None = None,
        *,
        quiet: bool = True,
        project: str = ACME,
        orders: Orders | None = None,
        **models: Want,
    ) -> Grant:
        bid = Bid({WHOLE: want, **models}, tally or Tally())
        return self.limits.ask(self.id, executor, Ask({project: bid}, 256, quiet=quiet, orders=orders or Orders()))

    def ask(self, executor: uuid.UUID, want: Want, *about: Tally, project: str = ACME, **more: object) -> Award:
        return self.grant(executor, want, *about, project=project, **more).awards[project]  # type: ignore[arg-type]

    def permits(self, executor: uuid.UUID, want: Want, *, quiet: bool = True) -> int | None:
        return self.ask(executor, want, quiet=quiet).permits[WHOLE].requests


def wait_until(condition: Callable[[], object]) -> float:
    """How long it took to come about."""
    started = monotonic()
    while not condition():
        assert monotonic() < started + PATIENCE, "It did not come about."
        sleep(0.01)
    return monotonic() - started


@places
class TestLimits:
    """Every rule, wherever the state is kept."""

    def test_the_concurrency_is_shared(self, make: Make) -> None:
        provider = Provider(make())
        shares = [provider.ask(executor, whole(wanted=50)).permits[WHOLE].share for executor in (A, B)]
        assert shares == [10, 0]
        assert provider.ask(A, whole(wanted=50, in_flight=10)).permits[WHOLE].share == 5

    def test_whoever_asks_is_told_how_much_all_together_have_taken(self, make: Make) -> None:
        provider = Provider(make())
        assert [provider.grant(executor, whole(wanted=4)).in_use for executor in (A, B)] == [4, 8]
        assert provider.grant(A, whole(wanted=0)).in_use == 4

    def test_providers_do_not_share(self, make: Make) -> None:
        limits = make()
        assert [Provider(limits).ask(A, whole()).permits[WHOLE].share for _ in range(2)] == [10, 10]

    def test_without_limits_permits_are_without_end(self, make: Make) -> None:
        permit = Provider(make()).ask(A, whole()).permits[WHOLE]
        assert (permit.requests, permit.tokens, permit.reason) == (None, None, "")

    def test_requests_are_counted_over_all_executors(self, make: Make) -> None:
        provider, granted = Provider(make()), 0

        def ask_all() -> bool:
            nonlocal granted
            granted += sum(provider.permits(executor, whole(requests=20)) or 0 for executor in (A, B, C))
            return monotonic() > started + WINDOW * 0.9

        started = monotonic()
        wait_until(ask_all)
        assert 15 <= granted <= 20

    def test_what_is_used_up_says_so_and_for_how_long(self, make: Make) -> None:
        provider = Provider(make())
        assert provider.permits(A, whole(requests=1)) == 1
        permit = provider.ask(B, whole(requests=1)).permits[WHOLE]
        assert (permit.requests, permit.reason) == (0, "its limit of 1 requests per minute is used up")
        assert 0 < permit.shut_for < WINDOW * 1.1
        waited = wait_until(lambda: provider.permits(B, whole(requests=1)))
        assert permit.shut_for - 0.3 < waited < allowed(permit.shut_for + 0.3)

    def test_an_unused_permit_that_comes_back_is_anothers(self, make: Make) -> None:
        provider = Provider(make())
        permit = provider.ask(A, whole(requests=1)).permits[WHOLE]
        assert provider.permits(B, whole(requests=1)) == 0
        provider.ask(A, whole(requests=1, wanted=0, returned=((permit.cell, 1, 0),)))
        assert provider.permits(B, whole(requests=1)) == 1

    def test_a_model_has_limits_besides_the_providers(self, make: Make) -> None:
        provider = Provider(make())
        model = Want(Caps(2, 1), wanted=9, requests=9)
        permits = provider.ask(A, whole(), small=model).permits
        assert (permits[WHOLE].requests, permits["small"].requests, permits["small"].share) == (None, 1, 2)
        permits = provider.ask(B, whole(), small=model).permits
        assert (permits[WHOLE].requests, permits["small"].requests, permits["small"].share) == (None, 0, 0)

    def test_tokens_are_counted(self, make: Make) -> None:
        provider = Provider(make())
        want = Want(Caps(10, None, 1000), wanted=9, requests=9, tokens=900, least_tokens=600)
        first, second = (provider.ask(executor, want).permits[WHOLE] for executor in (A, B))
        assert (first.requests, first.tokens, second.tokens) == (None, 600, 0)
        assert second.reason == "its limit of 1000 tokens per minute is used up"

    def test_a_hold_that_one_executor_is_told_of_holds_for_all(self, make: Make) -> None:
        provider = Provider(make())
        provider.ask(A, whole(held_for=1.0))
        permit = provider.ask(B, whole()).permits[WHOLE]
        assert (permit.requests, permit.reason) == (0, "the upstream says that its limit is used up")
        assert wait_until(lambda: provider.permits(B, whole()) is None) < allowed(2.0)

    def test_a_provider_whose_calls_all_fail_is_left_alone_but_for_one_probe(self, make: Make) -> None:
        provider = Provider(make())
        for executor in (A, B):
            grant = provider.grant(executor, whole(), Tally(FAILURES // 2, 0, False, FAILURES // 2, DOWN.value))
        assert grant.broken is not None
        assert grant.broken.open_for == pytest.approx(1.0)
        assert grant.broken.reason == f"20 calls in a row failed: {DOWN.sentence}"
        shares = [grant.awards[ACME].permits[WHOLE].share, provider.ask(A, whole()).permits[WHOLE].share]
        assert shares == [0, 0]
        wait_until(lambda: (broken := provider.ask(A, whole(wanted=0)).broken) is not None and broken.open_for == 0)
        probes = [provider.ask(executor, whole()).permits[WHOLE] for executor in (A, B, C)]
        assert [(probe.share, probe.requests) for probe in probes] == [(1, 1), (0, 0), (0, 0)]
        award = provider.ask(A, whole(), Tally(1, 0, True))
        assert (award.broken, award.permits[WHOLE].share) == (None, 10)

    def test_projects_are_judged_apart_and_share_the_slots(self, make: Make) -> None:
        """S2"""
        limits, provider = make(), uuid.uuid4()

        def ask(**tallies: Tally) -> Grant:
            bids = {project: Bid({WHOLE: whole(wanted=50)}, tally) for project, tally in tallies.items()}
            return limits.ask(provider, A, Ask(bids, 256, projects=2, quiet=True))

        ask(acme=Tally(), globex=Tally(1, 0, True))
        grant = ask(acme=Tally(FAILURES, 0, False, FAILURES, DOWN.value), globex=Tally(1, 0, True))
        assert {project: award.permits[WHOLE].share for project, award in grant.awards.items()} == {"acme": 0, "globex": 9}
        assert grant.awards[ACME].broken is not None
        assert grant.broken is None

    def test_a_provider_that_turns_many_away_gets_fewer_at_a_time(self, make: Make) -> None:
        grant = Provider(make()).grant(A, whole(wanted=50), Tally(100, 50, True))
        assert (grant.concurrency, grant.awards[ACME].permits[WHOLE].share) == (7, 7)

    def test_where_nothing_is_known_of_the_past_permits_come_only_as_time_passes(self, make: Make) -> None:
        provider = Provider(make())
        assert provider.permits(A, whole(requests=60), quiet=False) == 0
        assert wait_until(lambda: provider.permits(A, whole(requests=60), quiet=False)) > WINDOW * 0.1

    def test_where_nothing_is_known_nobody_gets_more_in_flight_than_it_has(self, make: Make) -> None:
        provider = Provider(make())
        shares = [provider.ask(executor, whole(wanted=50, in_flight=5), quiet=False).permits[WHOLE].share for executor in (A, B)]
        assert shares == [5, 5]

    def test_where_nothing_was_sent_lately_everything_is_free_at_once(self, make: Make) -> None:
        assert Provider(make()).permits(A, whole(requests=60)) == 1

    def test_a_hold_is_everybodys_and_an_order_ends_it(self, make: Make) -> None:
        """U5"""
        provider, struck = Provider(make()), whole(seen=Seen(strikes=STRIKES, kind=Kind.QUOTA.value))
        assert provider.ask(A, struck).permits[WHOLE].share == 0
        held = provider.ask(B, whole()).permits[WHOLE].held
        assert held is not None
        assert (held.kind, held.strikes) == (Kind.QUOTA, STRIKES)
        assert provider.ask(B, whole(), orders=Orders(resume=1.0)).permits[WHOLE].share
        assert provider.ask(A, whole()).permits[WHOLE].held is None


@pytest.mark.servers
@pytest.mark.django_db
def test_a_flush_of_redis_grants_nothing_anew() -> None:
    limits = RedisLimits(portal_settings.REDIS_URL, window_seconds=WINDOW)
    provider = Provider(limits)
    granted: list[tuple[float, int]] = []
    server, started, flushed = redis.Redis.from_url(portal_settings.REDIS_URL), monotonic(), False
    while monotonic() < started + 3 * WINDOW:
        if not flushed and monotonic() > started + WINDOW:
            flushed = bool(server.delete(f"batchyard:limits:{provider.id.hex}"))
        for executor in (A, B, C):
            count = provider.permits(executor, whole(requests=50, wanted=50), quiet=not granted)
            granted.append((monotonic(), count or 0))
        sleep(0.01)
    worst = max(sum(count for at, count in granted if start <= at < start + WINDOW - LATE) for start, _ in granted)
    assert flushed
    assert 25 < worst <= 50


BEFORE_PROJECTS = msgspec.msgpack.encode(
    {"begun_at": 1.0, "unknown_before": False, "seen_at": 1.0, "accounts": {}, "adaptive": {}, "breaker": {"sentence": "No."}}
)


@pytest.mark.servers
@pytest.mark.django_db
@pytest.mark.parametrize("left", [b"something else", BEFORE_PROJECTS], ids=["nonsense", "of before projects were told apart"])
def test_what_another_version_has_left_is_taken_for_lost(left: bytes) -> None:
    provider = Provider(RedisLimits(portal_settings.REDIS_URL, window_seconds=WINDOW))
    key = f"batchyard:limits:{provider.id.hex}"
    server = redis.Redis.from_url(portal_settings.REDIS_URL)
    server.set(key, left)
    assert provider.permits(A, whole(requests=10)) == 0
    seconds = server.ttl(key)
    assert isinstance(seconds, int)
    assert 0 < seconds <= KEPT_SECONDS


@pytest.mark.servers
@pytest.mark.django_db
def test_no_text_of_a_call_is_kept() -> None:
    """S1"""
    provider = Provider(RedisLimits(portal_settings.REDIS_URL, window_seconds=WINDOW))
    for executor in (A, B):
        provider.grant(executor, whole(), Tally(FAILURES, 0, False, FAILURES, DOWN.value), small=Want(Caps(), held_for=5.0))
    kept = redis.Redis.from_url(portal_settings.REDIS_URL).get(f"batchyard:limits:{provider.id.hex}")
    assert isinstance(kept, bytes)
    known = {ACME, "small", A.hex, B.hex, DOWN.value, "", "by-project-1"}
    assert set(_texts(msgspec.msgpack.decode(kept, strict=False))) <= known


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for key, value in found.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(found, list):
        for value in found:
            yield from _texts(value)
