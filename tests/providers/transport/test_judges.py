"""Both clients, and h11 as a third judge, get the same odd answers. Each difference between them is explained here."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest

from providers.base import Failure
from providers.failures import Kind
from providers.transport.interface import Reply
from tests.providers.transport.judges import CLIENTS, Stage, Verdict, judged_by_h11, verdict
from tests.providers.transport.odd_answers import Odd, odd_answers

SEED = 9


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a judge stands alone with its verdict about answers with one of these traits."""

    alone: str  # fast, full or h11; `each` when there are three verdicts
    traits: frozenset[str]
    why: str


AMBIGUOUS = {"length twice", "list of lengths", "length and chunks", "chunks and length"}
EXPLANATIONS = (
    Explanation("h11", frozenset({"HTTP/1.2", "HTTP/3.7"}), "h11 takes versions that do not exist; llhttp does not."),
    Explanation("h11", frozenset(AMBIGUOUS), "h11 decides for one of two ends of a body; the clients take neither."),
    Explanation("h11", frozenset({"blank line first"}), "The standard has a client skip an empty line; h11 does not."),
    Explanation(
        "h11",
        frozenset({"not HTTP", "TLS alert", "HTML alone", "HTTP/0.9", "endless line", "a request", "cut"})
        | {"no end of the head"},
        "h11 looks at whole lines: of half a line it says that it is lost, where llhttp refuses it, and the other way round.",
    ),
    Explanation(
        "full",
        frozenset({"garbage after the body", "another answer behind it", "length of nothing", "length that is too small"})
        | {"no content", "not modified", "reset content", "no body"},
        "aiohttp throws an answer away when something comes in the same piece, behind its end, that is no answer.",
    ),
    Explanation("full", frozenset({"huge head"}), "The fast path takes a head that is too large when it comes in one piece."),
    Explanation("fast", frozenset({"huge head"}), "The fast path refuses a head that is too large, h11 what comes behind it."),
    Explanation("fast", frozenset({"NUL in a value"}), "The fast path takes what was paid for; a NUL is removed later."),
    Explanation("full", frozenset({"NUL in a value"}), "aiohttp refuses the NUL where the others wait for the end of the head."),
    Explanation("fast", frozenset({"endless interim answers"}), "The fast path counts their bytes; aiohttp has only the time."),
    Explanation("full", frozenset({"endless interim answers"}), "h11 and the fast path count their bytes; aiohttp does not."),
    Explanation(
        "fast",
        frozenset({"large body"}),
        "A body that is too large, and broken behind the limit, is the one or the other: the clients read in other pieces.",
    ),
    Explanation("full", frozenset({"large body"}), "As above."),
    Explanation("h11", frozenset({"large body"}), "As above."),
)


@pytest.fixture(scope="module")
def answers() -> int:
    """How many are judged in the gate."""
    return 800


def test_three_judges_agree_or_it_is_explained_why_not(answers: int) -> None:
    used = asyncio.run(judge(SEED, answers))

    assert sum(used.values()) < answers / 4, "mostly they agree"
    assert used["agree"] == 0


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(5))
def test_three_judges_agree_about_many_more(seed: int) -> None:
    asyncio.run(judge(seed, 4000))


async def judge(seed: int, count: int) -> Counter[str]:
    """Have the answers judged. How often each explanation was needed; fails for what has none."""
    used: Counter[str] = Counter()
    unexplained: list[tuple[str, object, str]] = []
    async with Stage() as stage:
        for odd in odd_answers(seed, count):
            outcomes = {name: await stage.ask(client, odd) for name, client in CLIENTS.items()}
            verdicts = {name: verdict(outcome) for name, outcome in outcomes.items()} | {"h11": judged_by_h11(odd)}
            if (alone := who_is_alone(verdicts)) is not None:
                explanation = next((one for one in EXPLANATIONS if one.alone == alone and one.traits & odd.traits), None)
                if explanation is None:
                    unexplained.append((alone, verdicts, str(odd)))
                else:
                    used[explanation.why] += 1
            elif not same_kind(outcomes):
                unexplained.append(("kinds", outcomes, str(odd)))
    assert unexplained == []
    return used


def who_is_alone(verdicts: dict[str, Verdict]) -> str | None:
    """The judge whom the two others contradict; None when all agree, `each` when none does."""
    fast, full, h11 = verdicts["fast"], verdicts["full"], verdicts["h11"]
    if fast == full:
        return None if fast == h11 else "h11"
    return "full" if fast == h11 else "fast" if full == h11 else "each"


def same_kind(outcomes: dict[str, Reply | Failure]) -> bool:
    """Whether both clients call it the same; the full one cannot tell which status an answer has that it refuses."""
    fast, full = outcomes["fast"], outcomes["full"]
    if isinstance(fast, Reply) or isinstance(full, Reply):
        return isinstance(fast, Reply) and isinstance(full, Reply) and fast.headers == full.headers
    return fast.kind is full.kind or (fast.kind, full.kind) == (Kind.INVALID_RESPONSE, Kind.UNCONFIRMED)


@pytest.mark.parametrize("name", CLIENTS)
def test_an_answer_that_was_paid_for_and_is_no_http_is_not_sent_again(name: str) -> None:
    """U4, for the client: a broken head behind a good first line, broken chunks, two lengths."""

    async def work() -> None:
        async with Stage() as stage:
            for behind in (
                b"Nonsense\r\n\r\n",
                b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
                b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
                b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            ):
                found = await stage.ask(CLIENTS[name], Odd(frozenset(), (b"HTTP/1.1 200 OK\r\n", behind)))
                assert isinstance(found, Failure)
                assert (found.kind, found.kind.retryable) == (Kind.UNCONFIRMED, False), behind

    asyncio.run(work())
