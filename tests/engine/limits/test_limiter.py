"""The limiter: whose fault it is, what a newcomer gets, and what is remembered; the same rules wherever the state is kept."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.engine.limits.asks import Bid, Caps, Tally, Want, Why
from batches.engine.limits.blame import Vote, is_in_trouble
from batches.engine.limits.breaker import FAILURES
from batches.engine.limits.hold import STRIKES, Seen
from batches.engine.limits.permits import OTHERS_USE_IT
from batches.engine.limits.state import WHOLE
from providers.failures import Kind
from tests.engine.limits.asking import Provider, faults, successes


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([], False),
        ([Vote.UNDECIDED], False),
        ([Vote.TROUBLED], True),  # the only project there is
        ([Vote.TROUBLED, Vote.TROUBLED], True),
        ([Vote.TROUBLED, Vote.UNDECIDED], True),
        ([Vote.TROUBLED, Vote.WELL], False),
        ([Vote.WELL], False),
    ],
)
def test_a_provider_is_in_trouble_when_somebody_is_and_nobody_is_well(votes: list[Vote], expected: bool) -> None:
    assert is_in_trouble(votes) is expected


# --- The breaker -------------------------------------------------------------------------------------------------


def test_a_projects_faults_open_its_own_breaker_and_no_others() -> None:
    provider = Provider()
    provider.ask(a=provider.bid(), b=provider.bid(tally=successes()))
    grant = provider.ask(a=provider.bid(tally=faults(FAILURES)), b=provider.bid(tally=successes()))
    assert grant.awards["a"].broken is not None
    assert (grant.awards["b"].broken, grant.broken) == (None, None)
    assert grant.awards["b"].permits[WHOLE].share == 9


def test_the_only_project_decides_for_the_provider() -> None:
    provider = Provider()
    grant = provider.ask(a=provider.bid(tally=faults(FAILURES)))
    assert grant.broken == grant.awards["a"].broken
    assert grant.broken is not None


def test_a_newcomer_at_a_broken_provider_sends_one_call_at_once_and_goes_on_when_it_is_answered() -> None:
    provider = Provider()
    provider.award("a", tally=faults(FAILURES))
    for _ in range(5):  # its breaker is open for longer and longer
        provider.now += 60.0
        provider.award("a")
        provider.award("a", tally=faults(1))
    provider.now += 0.2
    assert provider.award("b").permits[WHOLE].share == 1
    grant = provider.ask(b=provider.bid(in_flight=1, tally=successes()))
    assert grant.awards["b"].broken is None
    assert (grant.awards["b"].permits[WHOLE].share, grant.broken) == (9, None)


def test_a_newcomer_whose_probe_fails_waits_as_the_others_do() -> None:
    provider = Provider()
    provider.award("a", tally=faults(FAILURES))
    provider.award("b")
    award = provider.award("b", tally=faults(1))
    assert award.broken is not None
    assert award.broken.open_for == 1.0


def test_what_had_opened_while_nobody_was_well_is_tried_when_somebody_is() -> None:
    provider = Provider()
    provider.award("a", tally=faults(FAILURES))
    for _ in range(8):
        provider.now += 60.0
        provider.award("a")
        provider.award("a", tally=faults(1))
    provider.award("b")
    provider.award("b", tally=successes())
    provider.now += 0.2
    assert provider.award("a").permits[WHOLE].share == 1, "its own turn would come in a minute"
    award = provider.award("a", tally=faults(1))
    assert award.broken is not None
    assert award.broken.open_for == pytest.approx(60.0), "and then it is its own fault"
    provider.award("b", tally=successes())
    assert provider.award("a").permits[WHOLE].share == 0


def test_a_probe_takes_a_slot_of_its_project() -> None:
    provider = Provider(3, projects=2)
    provider.ask(a=provider.bid(tally=faults(FAILURES)), b=provider.bid(tally=successes()))
    provider.now += 2.0
    assert provider.shares(a=provider.bid(), b=provider.bid(in_flight=3)) == {"a": 0, "b": 2}
    assert provider.shares(a=provider.bid(), b=provider.bid(in_flight=2)) == {"a": 1, "b": 2}


OUTCOMES: dict[str, Callable[[], Tally]] = {
    "well": successes,
    "faults": lambda: faults(FAILURES),
    "one fault": lambda: faults(1),
    "429": lambda: Tally(answers=50, turned_away=50, lived=True),
}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(sorted(OUTCOMES)), st.sampled_from([0.1, 0.5, 2.0, 30.0])), max_size=80))
def test_nothing_that_a_project_meets_with_keeps_another_back_whose_calls_succeed(met: list[tuple[str, float]]) -> None:
    provider = Provider(projects=2)
    provider.ask(b=provider.bid(tally=successes(), seen=Seen(worked=True)))
    in_flight = 0
    for outcome, seconds in met:
        provider.now += seconds
        seen = Seen(strikes=STRIKES, kind=Kind.QUOTA.value) if outcome == "faults" else Seen()
        grant = provider.ask(
            a=provider.bid(tally=OUTCOMES[outcome](), seen=seen, held_for=30.0),
            b=provider.bid(in_flight=in_flight, tally=successes(), seen=Seen(worked=True)),
        )
        permit = grant.awards["b"].permits[WHOLE]
        assert (grant.awards["b"].broken, permit.held, grant.broken) == (None, None, None)
        assert grant.conditions[WHOLE].held is None
        in_flight = permit.share or 0
        assert in_flight >= 1
    grant = provider.ask(a=provider.bid(), b=provider.bid(in_flight=in_flight, tally=successes()))
    assert (grant.awards["b"].permits[WHOLE].share or 0) >= 5, "as if the other were well"


# --- Throttling --------------------------------------------------------------------------------------------------


def test_who_is_turned_away_gets_less_and_others_do_not() -> None:
    provider = Provider(100)
    bids = {"b": provider.bid(tally=successes(100))}
    provider.ask(a=provider.bid(tally=Tally(100, 100, True)), **bids)
    for _ in range(10):
        provider.now += 1.0
        grant = provider.ask(a=provider.bid(tally=Tally(100, 100, True)), **bids)
    shares = {name: award.permits[WHOLE].share for name, award in grant.awards.items()}
    assert shares == {"a": 1, "b": 99}
    assert grant.concurrency == 100, "the provider takes it"


def test_when_all_are_turned_away_the_provider_is_slowed_down() -> None:
    provider = Provider(100)
    for _ in range(10):
        provider.now += 1.0
        tally = Tally(100, 100, True)
        grant = provider.ask(a=provider.bid(tally=tally), b=provider.bid(tally=tally))
    assert grant.concurrency < 10


def test_that_nothing_is_left_is_said_to_whom_the_upstream_said_it() -> None:
    provider = Provider()
    grant = provider.ask(a=provider.bid(held_for=30.0), b=provider.bid())
    assert grant.awards["a"].permits[WHOLE].why is Why.UPSTREAM
    assert grant.awards["b"].permits[WHOLE].why is None
    assert grant.conditions[WHOLE].reason == ""
    grant = provider.ask(a=provider.bid(), b=provider.bid(held_for=20.0))
    assert grant.conditions[WHOLE].shut_for == 20.0, "until the first of them may send again"


# --- Slots -------------------------------------------------------------------------------------------------------


def test_who_has_no_slot_is_told_that_others_have_them() -> None:
    provider = Provider(1)
    provider.award("a", wanted=5)
    grant = provider.ask(a=provider.bid(in_flight=1), b=provider.bid())
    permit = grant.awards["b"].permits[WHOLE]
    assert (permit.share, permit.why, permit.reason) == (0, Why.OTHERS, OTHERS_USE_IT)
    assert grant.awards["a"].permits[WHOLE].why is not Why.OTHERS, "it has one in flight"


def test_the_slots_of_a_model_are_divided_as_well() -> None:
    provider = Provider(10)

    def model(in_flight: int) -> dict[str, Want]:
        return {"m": Want(Caps(2), in_flight=in_flight, wanted=9)}

    whole = Want(provider.caps, wanted=9)
    grant = provider.ask(a=Bid({WHOLE: whole, **model(0)}))
    assert grant.awards["a"].permits["m"].share == 1, "the other is for a newcomer"
    grant = provider.ask(a=Bid({WHOLE: whole, **model(1)}), b=Bid({WHOLE: whole, **model(0)}))
    assert [grant.awards[name].permits["m"].share for name in "ab"] == [1, 1]


def test_an_executor_that_leaves_has_nothing() -> None:
    provider = Provider(10)
    provider.award("a", "x")
    provider.ask("x")
    assert provider.award("a", "y").permits[WHOLE].share == 9


def test_what_one_executor_does_not_ask_for_another_keeps() -> None:
    provider = Provider(10)
    assert provider.award("a", "x", wanted=4).permits[WHOLE].share == 4
    assert provider.award("a", "y", wanted=9).permits[WHOLE].share == 5
    assert provider.ask("y", b=provider.bid()).in_use == 4 + 6, "the 5 that it had are free, and not the 4"


# --- Permits -----------------------------------------------------------------------------------------------------


def drawn(provider: Provider, seconds: float, **executors: str) -> dict[str, int]:
    """How many of unending requests of each project are let through in so long, asked for by executors of these letters."""
    found = dict.fromkeys(executors, 0)
    ends = provider.now + seconds
    while provider.now < ends:
        for executor in "xyz":
            bids = {name: provider.bid(requests=10_000) for name, where in executors.items() if executor in where}
            if bids:
                for name, award in provider.ask(executor, **bids).awards.items():
                    found[name] += award.permits[WHOLE].requests or 0
        provider.now += 0.2
    return found


@pytest.mark.parametrize("limit", [12, 600, 60_000])
@pytest.mark.parametrize("where", [{"a": "x", "b": "x"}, {"a": "xyz", "b": "z"}, {"a": "xy", "b": "z"}])
def test_requests_per_minute_are_divided_among_projects_wherever_they_are_asked_for(limit: int, where: dict[str, str]) -> None:
    provider = Provider(requests=limit)
    found = drawn(provider, 240.0, **where)
    assert sum(found.values()) >= 3.5 * limit
    assert found["a"] == pytest.approx(found["b"], rel=0.1)


def test_what_one_project_does_not_want_of_the_permits_another_gets() -> None:
    provider = Provider(requests=600)
    drawn(provider, 10.0, a="x", b="x")
    alone = drawn(provider, 120.0, a="x")
    assert alone["a"] >= 1000


def test_a_newcomer_does_not_wait_for_what_others_have_drawn() -> None:
    provider = Provider(requests=600)
    drawn(provider, 120.0, a="xyz")
    found = drawn(provider, 12.0, a="xyz", b="z")
    assert found["b"] >= 0.8 * found["a"]


def test_a_request_that_takes_half_of_the_tokens_gets_through() -> None:
    provider, found = Provider(tokens=1000), 0
    for _ in range(5 * 240):
        small = provider.bid(requests=100, tokens=1000, least_tokens=10)
        large = provider.bid(requests=10, tokens=5000, least_tokens=500)
        grant = provider.ask(a=small, b=large)
        found += (grant.awards["b"].permits[WHOLE].tokens or 0) >= 500
        provider.now += 0.2
    assert found >= 3
