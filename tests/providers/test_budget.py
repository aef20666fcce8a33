"""E10: how much of answers is in memory at once."""

import asyncio
import os
import random
from collections.abc import Callable

import pytest
from yarl import URL

from providers.base import Failure
from providers.budget import SMALL, Budget, Reading
from providers.transport.fast import FastTransport
from providers.transport.full import FullTransport
from providers.transport.interface import Transport
from providers.transport.way import Way
from tests.answers import Answer, say
from tests.upstream import Upstream, upstream

__all__ = ["upstream"]

MOST = 8 * SMALL


def reading(budget: Budget, went_on: list[str], name: str, *, most: int = 10 * MOST) -> Reading:
    return Reading(budget, most=most, go_on=lambda: went_on.append(name))


def test_what_fits_is_let_in_and_the_rest_waits_its_turn() -> None:
    went_on: list[str] = []

    async def run() -> None:
        budget = Budget(100)
        first, second, third = (reading(budget, went_on, name) for name in "abc")
        assert first.may_have(60)
        assert not second.may_have(60)
        assert not third.may_have(10), "it is behind the second, which would never have its turn otherwise"
        first.end()
        budget.keep(60)  # the answer of the first waits to be recorded
        await asyncio.sleep(0)
        assert went_on == []
        budget.let_go(60)
        await asyncio.sleep(0)
        assert went_on == ["b", "c"]
        assert budget.used == 70

    asyncio.run(run())


def test_an_answer_larger_than_the_budget_is_let_in_alone() -> None:
    went_on: list[str] = []

    async def run() -> None:
        budget = Budget(100)
        small, huge = reading(budget, went_on, "small"), reading(budget, went_on, "huge")
        assert small.may_have(10)
        assert not huge.may_have(500)
        small.end()
        await asyncio.sleep(0)
        assert went_on == ["huge"]

    asyncio.run(run())


def test_answers_of_unknown_length_do_not_wait_for_each_other_for_ever() -> None:
    went_on: list[str] = []

    async def run() -> None:
        budget = Budget(100)
        both = [reading(budget, went_on, name, most=400) for name in "ab"]
        assert [one.may_have(50) for one in both] == [True, True]
        assert [one.may_have(100) for one in both] == [False, False]
        await asyncio.sleep(0)
        assert went_on == ["a"]
        assert both[0].may_have(400), "to its end"
        await asyncio.sleep(0)
        assert went_on == ["a"]
        both[0].end()
        await asyncio.sleep(0)
        assert went_on == ["a", "b"]

    asyncio.run(run())


def test_small_answers_that_always_wait_to_be_recorded_keep_no_others_from_being_read() -> None:
    went_on: list[str] = []

    async def run() -> None:
        budget = Budget(100)
        budget.keep(10)
        both = [reading(budget, went_on, name, most=400) for name in "ab"]
        assert [one.may_have(45) for one in both] == [True, True]
        assert [one.may_have(90) for one in both] == [False, False]
        await asyncio.sleep(0)
        assert went_on == ["a"]

    asyncio.run(run())


def test_whoever_gives_up_waiting_keeps_nobody_waiting() -> None:
    went_on: list[str] = []

    async def run() -> None:
        budget = Budget(100)
        first, second, third = (reading(budget, went_on, name) for name in "abc")
        first.may_have(60)
        second.may_have(60)
        third.may_have(40)
        second.end()
        await asyncio.sleep(0)
        assert went_on == ["c"]
        first.end()
        third.end()
        third.end()
        assert budget.used == 0

    asyncio.run(run())


def test_any_order_of_events_ends_with_everybody_served_and_the_budget_kept() -> None:
    """One answer at most is beyond the budget."""
    for seed in range(200):
        dice = random.Random(seed)
        served: list[int] = []

        async def answer(budget: Budget, number: int, dice: random.Random, served: list[int]) -> None:
            mine = Reading(budget, most=300)
            size = 0
            try:
                for _ in range(dice.randint(1, 6)):
                    size = min(size + dice.randint(1, 80), 300)
                    await mine.wait_for(size)
                    assert budget.used <= 100 + 300
                    await asyncio.sleep(0)
            finally:
                mine.end()
            budget.keep(size)
            for _ in range(dice.randint(0, 3)):
                await asyncio.sleep(0)
            budget.let_go(size)
            served.append(number)

        async def run(dice: random.Random, served: list[int]) -> None:
            budget = Budget(100)
            await asyncio.wait_for(asyncio.gather(*(answer(budget, n, dice, served) for n in range(12))), 10)
            assert budget.used == 0

        asyncio.run(run(dice, served))
        assert sorted(served) == list(range(12))


class Kept:
    """An executor that keeps each answer for a moment."""

    def __init__(self, most: int) -> None:
        self.budget = Budget(most)
        self.peak = 0

    async def fetch(self, transport: Transport, url: URL, *, seconds: float) -> int:
        found = await transport.send("POST", url, headers={}, body=b"{}", seconds=seconds)
        assert not isinstance(found, Failure), found
        self.budget.keep(len(found.body))
        self.peak = max(self.peak, self.budget.used)
        await asyncio.sleep(0.01)
        self.budget.let_go(len(found.body))
        return len(found.body)


def fast() -> Transport:
    return FastTransport(headers={}, max_bytes=32 * SMALL)


def full() -> Transport:
    return FullTransport(Way(proxy=""), headers={}, max_bytes=32 * SMALL)


@pytest.mark.parametrize("client", [fast, full])
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("size", [100, SMALL, 3 * SMALL, 20 * SMALL])
def test_large_answers_are_read_one_after_the_other_and_whole(
    upstream: Upstream, client: Callable[[], Transport], size: int, chunked: bool
) -> None:
    body = os.urandom(size)
    upstream.behave(lambda _: say(body, chunked=chunked))
    kept = Kept(MOST)

    async def run() -> list[int]:
        Budget.current.set(kept.budget)
        transport = client()
        url = URL(f"{upstream.base_url}/x")
        try:
            return await asyncio.gather(*(kept.fetch(transport, url, seconds=30) for _ in range(12)))
        finally:
            await transport.close()

    assert asyncio.run(run()) == [size] * 12
    assert kept.budget.used == 0
    assert kept.peak <= MOST + 32 * SMALL


@pytest.mark.parametrize("client", [fast, full])
def test_time_that_an_answer_waits_for_room_is_not_the_upstreams(upstream: Upstream, client: Callable[[], Transport]) -> None:
    upstream.behave(lambda _: say(b"x" * 8 * SMALL))

    async def run() -> None:
        budget = Budget(MOST)
        Budget.current.set(budget)
        transport = client()
        budget.keep(MOST)
        asking = asyncio.ensure_future(transport.send("POST", URL(f"{upstream.base_url}/x"), headers={}, body=b"{}", seconds=0.5))
        await asyncio.sleep(1.5)
        assert not asking.done()
        budget.let_go(MOST)
        found = await asking
        assert not isinstance(found, Failure), found
        await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize("client", [fast, full])
def test_a_call_that_is_given_up_while_it_waits_for_room_gives_its_room_back(
    upstream: Upstream, client: Callable[[], Transport]
) -> None:
    upstream.behave(lambda _: Answer(body=b"x" * 8 * SMALL))

    async def run() -> None:
        budget = Budget(MOST)
        Budget.current.set(budget)
        transport = client()
        budget.keep(MOST)
        asking = asyncio.ensure_future(transport.send("POST", URL(f"{upstream.base_url}/x"), headers={}, body=b"{}", seconds=30))
        await asyncio.sleep(0.3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        budget.let_go(MOST)
        await asyncio.sleep(0)
        assert budget.used == 0
        await transport.close()

    asyncio.run(run())
