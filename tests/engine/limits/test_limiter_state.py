"""The state that the limiter keeps: small, forgotten in time, and changed by operators' orders."""

import msgspec
import pytest

from batches.engine.limits.asks import Ask, Bid, Caps, Grant, Want
from batches.engine.limits.breaker import FAILURES
from batches.engine.limits.hold import STRIKES, Orders, Seen
from batches.engine.limits.limiter import MOST_TARGETS, answer
from batches.engine.limits.slots import SHARE_SECONDS
from batches.engine.limits.state import MOST_IDLE, REMEMBERED_SECONDS, WHOLE, State
from providers.failures import Kind
from tests.engine.limits.asking import SPAN, Provider, faults, successes


def test_a_project_that_is_well_is_forgotten_after_a_minute_and_one_in_trouble_is_not() -> None:
    provider = Provider()
    provider.ask("x", a=provider.bid(tally=successes()), b=provider.bid(tally=faults(FAILURES)))
    provider.now += SHARE_SECONDS + REMEMBERED_SECONDS
    provider.ask("y", c=provider.bid())
    assert set(provider.state.projects) == {"b", "c"}


def test_the_state_stays_small_however_many_projects_come_and_go() -> None:
    provider = Provider(100, projects=10_000)
    for number in range(1000):
        name = f"{number:032x}"
        provider.ask("x" * 32, **{name: provider.bid(tally=faults(FAILURES)), "well": provider.bid(tally=successes())})
        provider.now += 0.25
    assert len(provider.state.projects) <= MOST_IDLE + 3
    assert len(msgspec.msgpack.encode(provider.state)) < 20_000


def test_models_that_clients_make_up_do_not_fill_the_state() -> None:
    provider = Provider()
    for number in range(1000):
        whole = provider.bid().wants[WHOLE]
        grant = provider.ask(a=Bid({WHOLE: whole, f"#{number}": Want(Caps(), wanted=1, held_for=3600.0)}))
        assert set(grant.awards["a"].permits) == {WHOLE, f"#{number}"}
    assert len(provider.state.targets) <= MOST_TARGETS


def test_the_state_of_many_projects_at_work_is_small() -> None:
    """All of 64 projects at two executors: about the size that the README tells."""
    provider = Provider(256, projects=100)
    names = [f"{number:032x}" for number in range(64)]
    for executor in ("x" * 32, "y" * 32):
        provider.ask(executor, **{name: provider.bid(tally=successes()) for name in names})
    assert len(msgspec.msgpack.encode(provider.state)) < 25_000


def test_the_state_is_read_as_it_was_written() -> None:
    provider = Provider(requests=600)
    provider.ask(a=provider.bid(requests=5, tally=faults(FAILURES)), b=provider.bid(requests=5, tally=successes(), held_for=5.0))
    written = msgspec.msgpack.encode(provider.state)
    read = msgspec.msgpack.decode(written, type=State)
    assert msgspec.msgpack.encode(read) == written


def test_operators_orders_reach_every_project() -> None:
    provider = Provider()
    struck = Seen(strikes=STRIKES, kind=Kind.QUOTA.value)
    provider.ask(a=provider.bid(seen=struck), b=provider.bid(seen=struck))
    grant = _with_orders(provider, Orders(resume=1.0), c=provider.bid())
    assert grant.conditions[WHOLE].held is None
    assert {at_target.hold.held for at_target in provider.state.targets[WHOLE].projects.values()} == {False}


@pytest.mark.parametrize("orders", [Orders(probe=1.0), Orders(resume=1.0)])
def test_an_operators_order_has_a_provider_that_does_not_work_tried_at_once(orders: Orders) -> None:
    """O8: nothing but time ended the wait of a breaker."""
    provider = Provider()
    provider.ask(a=provider.bid(tally=faults(FAILURES)))
    grant = _with_orders(provider, orders, a=provider.bid())
    assert grant.awards["a"].permits[WHOLE].share == 1, "the probe"
    assert _with_orders(provider, orders, a=provider.bid(in_flight=1)).awards["a"].permits[WHOLE].share == 0, "it is one probe"


def _with_orders(provider: Provider, orders: Orders, **bids: Bid) -> Grant:
    return answer(provider.state, "x", Ask(bids, 256, provider.projects, orders=orders), now=provider.now, span=SPAN)
