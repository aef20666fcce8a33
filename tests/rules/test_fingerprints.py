"""Which failures count as the same."""

from time import thread_time

import pytest

from batches.rules.fingerprints import fingerprint, normalise


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        ("Request req_abc-123 failed", "Request <id> failed"),
        ("No batch_0197a1b2c3d47e5f8a9b0c1d2e3f4a5b here", "No <id> here"),
        ("id 0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b is gone", "id <uuid> is gone"),
        ("see https://example.com/a?b=1 for more", "see <url> for more"),
        ("ask first.last+x@mail.example.com now", "ask <email> now"),
        ("retry at 2026-11-22T01:34:41.5Z please", "retry at <time> please"),
        ("retry on 2026-11-22", "retry on <time>"),
        ("host 10.0.0.1:8080 refused", "host <ip> refused"),
        ("digest 0a1b2c3d4e5f6071", "digest <hash>"),
        ("model \"m-1\" or 'm-2' or `m-3`", "model <text> or <text> or <text>"),
        ("Limit 10,000 used 9.5 in 20s", "Limit <n> used <n> in <n>s"),
        ("several\n  lines\tof   text", "several lines of text"),
        ("a face is not a hash", "a face is not a hash"),
    ],
)
def test_what_varies_is_replaced_by_a_word(message: str, normal: str) -> None:
    assert normalise(message) == normal


def digest(**changes: object) -> str:
    fields = {"source": "provider", "provider": "acme", "http_status": 429, "code": "slow_down", "message": "Limit 10 reached"}
    return fingerprint(**(fields | changes))  # type: ignore[arg-type]


def test_failures_that_differ_in_numbers_alone_are_the_same() -> None:
    assert digest(message="Limit 10 reached") == digest(message="Limit 20,000 reached")


@pytest.mark.parametrize(
    "change",
    [{"source": "caller"}, {"provider": "other"}, {"http_status": 503}, {"http_status": None}, {"code": "x"}, {"message": "No"}],
)
def test_whatever_else_differs_makes_another_failure(change: dict[str, object]) -> None:
    assert digest(**change) != digest()


def test_a_fingerprint_is_the_same_for_ever() -> None:
    assert digest() == "v1:0110062f0f4af75e63ec4b2a04056c3b85fcfbad"
    assert len(digest()) == 43


@pytest.mark.parametrize(
    "word", ["a", "a.b-", "[fF0", "'", '"', "req_", "2024-01-01T", "1,", "https://", "@", "aB3/", "a@b.", "\n"]
)
def test_no_message_takes_long(word: str) -> None:
    message = (word * 2000)[:2000]
    times = []
    for _ in range(5):  # the least of some: what else the machine does makes it longer, never shorter
        started = thread_time()
        normalise.__wrapped__(message)
        times.append(thread_time() - started)
    assert min(times) < 0.02
