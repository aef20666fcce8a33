"""The bounds of reading JSON piece by piece: the size of a value, time and memory."""

import time
from collections.abc import Iterator

import pytest

from batches.rules.lines import json_stream
from batches.rules.lines.json_stream import CHUNK, TooLong, read_members
from tests.rules.lines.conftest import pieces

# --- Limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 7, CHUNK])
@pytest.mark.parametrize("value", [b'"' + b"x" * 98 + b'"', b"[" + b"1" * 98 + b"]", b"1" * 100, b'{"a":"' + b"x" * 92 + b'"}'])
def test_a_value_may_have_so_many_bytes_and_no_more(value: bytes, chunk: int) -> None:
    for template in (b'{"a":%b}', b'{"requests":[%b]}'):
        assert len(pieces(template % value, chunk=chunk, limit=100)) == 1
        with pytest.raises(TooLong):
            pieces(template % value, chunk=chunk, limit=99)


def test_white_space_and_other_values_do_not_count_as_the_value() -> None:
    body = b'{"requests":[' + b" " * 500 + b",".join([b'"x"'] * 100) + b" " * 500 + b"]}"
    assert len(pieces(body, chunk=64, limit=len(b'"requests"'))) == 100


def test_a_value_that_never_ends_is_given_up_soon() -> None:
    sent = 0

    def endless(size: int) -> bytes:
        nonlocal sent
        sent += size
        return b'{"a":"' if sent == size else b"x" * size

    with pytest.raises(TooLong):
        list(read_members(endless, array="requests", max_value_bytes=2**20))
    assert sent < 3 * 2**20


# --- Time and space ------------------------------------------------------------------------------------------


def seconds(body: bytes) -> float:
    """Of this thread's own work, the least of some runs: what else the machine does makes it longer, never shorter."""
    times: list[float] = []
    while len(times) < 2 or (len(times) < 5 and sum(times) < 0.3):
        started = time.thread_time()
        assert len(pieces(body, limit=2**30)) == 1
        times.append(time.thread_time() - started)
    return min(times)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "unit", "after"),
    [
        (b'"', b"x", b'"'),
        (b'"', b'\\"', b'"'),
        (b'"', b"\\\\", b'"'),
        (b"[", b"[],", b"1]"),
        (b"[", b'"",', b"1]"),
        (b"", b"1", b""),
    ],
    ids=["string", "quotes", "backslashes", "brackets", "strings", "number"],
)
def test_one_huge_value_costs_no_more_than_its_length(before: bytes, unit: bytes, after: bytes) -> None:
    """Eight times the length takes about eight times as long; were it quadratic, it would be 64 times."""

    def body(size: int) -> bytes:
        return b'{"a":' + before + unit * (size // len(unit)) + after + b"}"

    assert seconds(body(2**22)) < 24 * max(seconds(body(2**19)), 0.002)


def test_no_more_is_held_than_a_chunk_and_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen at the source: what is kept of the stream after each item."""
    held: list[int] = []
    take = json_stream._Source.value

    def watched(source: json_stream._Source) -> bytes:
        found = take(source)
        held.append(len(source._buffer))
        return found

    monkeypatch.setattr(json_stream._Source, "value", watched)
    item = b'{"text":"' + b"x" * 1000 + b'"},'

    def stream() -> Iterator[bytes]:
        yield b'{"requests":['
        for _ in range(4000):
            yield item
        yield b"1]}"

    chunks = stream()
    count = sum(1 for _ in read_members(lambda _: next(chunks, b""), array="requests", max_value_bytes=2000))
    assert count == 4001
    assert max(held) < 3000
