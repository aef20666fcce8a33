"""The pulse of a provider: what is in flight, and what the latest calls came to."""

from batches.engine.limits.asks import Ask, Calls, Tally
from batches.engine.limits.limiter import answer
from batches.engine.limits.pulse import CELL_SECONDS, KEPT_SECONDS, SAMPLE, Pulse
from batches.engine.limits.slots import SHARE_SECONDS
from tests.engine.limits.asking import SPAN, Provider, successes

NONE = Calls()


def refused(count: int) -> Tally:
    return Tally(answers=count, failed=count, refused=count, lived=True)


def unanswered(count: int) -> Tally:
    return Tally(answers=count, failed=count, unanswered=count, failures=count)


def test_calls_in_flight_are_those_of_all_executors_that_are_alive() -> None:
    """O4: nobody knew for how long a call had been unanswered."""
    pulse = Pulse()
    pulse.note("a", Calls(7, oldest_for=30.0), [], now=100.0)
    pulse.note("b", Calls(3, oldest_for=2.0), [], now=101.0)
    found = pulse.vitals(now=102.0)
    assert (found.in_flight, found.oldest_for) == (10, 32.0)
    pulse.note("a", NONE, [], now=103.0)
    assert (pulse.vitals(now=103.0).in_flight, pulse.vitals(now=103.0).oldest_for) == (3, 4.0)
    assert pulse.vitals(now=101.0 + SHARE_SECONDS).in_flight == 0, "it is not heard of"


def test_executors_that_died_are_forgotten() -> None:
    pulse = Pulse()
    for number in range(100):
        pulse.note(f"executor {number}", Calls(1), [], now=number * 2.0 * SHARE_SECONDS)
    assert len(pulse.flying) == 1


def test_of_a_busy_provider_only_the_latest_seconds_count() -> None:
    """O3: a provider that begins to refuse everything is seen at once, and so is one that comes back."""
    pulse = Pulse()
    pulse.note("a", NONE, [successes(1000)], now=100.0)
    pulse.note("a", NONE, [refused(SAMPLE)], now=100.0 + CELL_SECONDS)
    found = pulse.vitals(now=106.0)
    assert (found.calls, found.succeeded, found.refused) == (SAMPLE, 0, SAMPLE)
    pulse.note("a", NONE, [successes(SAMPLE)], now=100.0 + 2 * CELL_SECONDS)
    assert pulse.vitals(now=111.0).succeeded == SAMPLE


def test_of_a_slow_one_a_minute_counts() -> None:
    pulse = Pulse()
    for second in range(0, 120, 10):
        pulse.note("a", NONE, [unanswered(1)], now=float(second))
    assert pulse.vitals(now=119.0).calls == KEPT_SECONDS / 10
    assert pulse.vitals(now=119.0).unanswered == KEPT_SECONDS / 10
    assert pulse.vitals(now=300.0).calls == 0
    assert len(pulse.cells) <= KEPT_SECONDS / CELL_SECONDS


def test_any_answer_is_one_and_only_a_success_ends_a_row_of_failures() -> None:
    pulse = Pulse()
    pulse.note("a", NONE, [unanswered(15)], now=100.0)
    assert (pulse.vitals(now=103.0).answered_for, pulse.vitals(now=103.0).failed_in_a_row) == (float("inf"), 15)
    pulse.note("b", NONE, [refused(2)], now=104.0)
    assert (pulse.vitals(now=106.0).answered_for, pulse.vitals(now=106.0).failed_in_a_row) == (2.0, 17)
    pulse.note("a", NONE, [Tally(answers=5, failed=3, failures=2)], now=107.0)
    assert pulse.vitals(now=107.0).failed_in_a_row == 2


def test_an_ask_brings_them_and_every_grant_tells_them() -> None:
    provider = Provider()
    ask = Ask({"p": provider.bid(in_flight=4, tally=refused(3))}, 256, calls=Calls(4, 9.0))
    answer(provider.state, "x", ask, now=50.0, span=SPAN)
    vitals = answer(provider.state, "y", Ask({"p": provider.bid()}, 256), now=51.0, span=SPAN).vitals
    assert (vitals.in_flight, vitals.oldest_for, vitals.refused) == (4, 10.0, 3)
