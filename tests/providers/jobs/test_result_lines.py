"""Result files in pieces of any size: every line once, odd packing read through, a cut noticed, flat memory, and usual lines
read in one step."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterable

import pytest

from providers.jobs.openai_results import answered
from providers.jobs.result_lines import Cut, Line, lines_of

MOST = 32 * 1024**2
ROWS = [json.dumps({"custom_id": f"row-{number}", "text": "ä" * number}).encode() for number in range(12)]
CONTENT = b"\n".join(ROWS) + b"\n"
FILE = b'\xef\xbb\xbf{"a":1}\r\n\n{"b":2}\nno json\n' + b"x" * 60 + b'\n{"c":3}'


def read(pieces: Iterable[bytes], *, most: int = MOST) -> list[Line]:
    async def given() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def gathered() -> list[Line]:
        return [line async for some in lines_of(given(), most=most) for line in some]

    return asyncio.run(gathered())


def cut_up(content: bytes, size: int) -> Iterable[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
@pytest.mark.parametrize("packed", [False, True])
def test_pieces_of_any_size_make_the_same_lines(size: int, packed: bool) -> None:
    content = gzip.compress(CONTENT) if packed else CONTENT
    found = read(cut_up(content, max(size, 2)))  # its packing shows in the first two bytes

    assert [line.raw for line in found] == ROWS
    assert [line.number for line in found] == list(range(1, 13))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_ends_at_any_byte_within_a_line_is_cut(packed: bool) -> None:
    content = gzip.compress(CONTENT) if packed else CONTENT.rstrip(b"\n")
    whole = set() if packed else {end for row in range(12) for end in _around(len(b"\n".join(ROWS[:row])))}
    for end in range(2, len(content)):
        if end not in whole:
            with pytest.raises(Cut):
                read([content[:end]])


def _around(end: int) -> tuple[int, int]:
    """The places before and behind the end of a line."""
    return end, end + 1


def test_packed_parts_behind_each_other_are_one_file() -> None:
    packed = b"".join(gzip.compress(row + b"\n") for row in ROWS)
    assert [line.raw for line in read(cut_up(packed, 11))] == ROWS


def test_a_line_that_is_too_long_is_told_of_and_the_next_is_read() -> None:
    found = read(cut_up(ROWS[0] + b"\n" + b"x" * 5000 + b"\n" + ROWS[1] + b"\n", 64), most=1000)
    assert [(line.number, line.problem) for line in found] == [(1, ""), (2, "It has more than 1000 bytes."), (3, "")]


def test_memory_is_flat_over_many_rows_and_holds_a_large_one() -> None:
    large = 20 * 1024**2
    row = b'{"custom_id": "row", "text": "%s"}\n'

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(500):
            yield row % (b"y" * 900) * 100
            if number == 250:
                for piece in cut_up(row % (b"x" * large), 256 * 1024):
                    yield piece

    async def count() -> int:
        return sum([len(some) async for some in lines_of(pieces(), most=MOST)])

    tracemalloc.start()
    try:
        assert asyncio.run(count()) == 50_001
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * large


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_lines_are_the_same_however_they_arrive(size: int) -> None:
    found = read(cut_up(FILE, size), most=50)

    assert [(one.number, one.read()[0]) for one in found] == [(1, {"a": 1}), (3, {"b": 2}), (4, None), (5, None), (6, {"c": 3})]
    assert [bool(one.read()[1]) for one in found] == [False, False, True, True, False]
    assert "50 bytes" in found[3].problem


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_file_that_breaks_off_within_a_line_is_cut(size: int) -> None:
    with pytest.raises(Cut):
        read(cut_up(b'{"a":1}\n{"b":', size), most=50)
    with pytest.raises(Cut):
        read(cut_up(b'{"a":1}\n' + b"x" * 60, size), most=50)


def line(content: bytes) -> Line:
    return Line(1, content)


def test_the_text_of_an_answer_stays_as_the_provider_wrote_it() -> None:
    body = b'{"n": 1.00000000000000000001, "big": 123456789012345678901234567890}'

    found = answered(line(b'{"custom_id":"a","response":{"status_code":200,"body":' + body + b'},"error":null}'))

    assert found is not None
    assert bytes(found.response.body) == body


@pytest.mark.parametrize(
    "content",
    [
        b'{"custom_id":"a","response":{"status_code":0,"body":{}}}',
        b'{"custom_id":"a","response":{"status_code":"200","body":{}}}',
        b'{"custom_id":"a","response":{"status_code":200,"body":null}}',
        b'{"custom_id":"a","response":{"status_code":200}}',
        b'{"custom_id":"a","response":{"status_code":200,"body":{}},"error":{"code":"x"}}',
        b'{"custom_id":"","response":{"status_code":200,"body":{}}}',
        b'{"custom_id":7,"response":{"status_code":200,"body":{}}}',
        b'{"response":{"status_code":200,"body":{}}}',
        b'{"custom_id":"a","response":null,"error":{"code":"batch_expired"}}',
        b"[]",
        b"no json",
    ],
)
def test_an_unusual_line_is_not_read_in_one_step(content: bytes) -> None:
    assert answered(line(content)) is None
