"""Lines of result files: the same lines however they arrive, and the usual ones read in one step."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from providers.jobs.result_lines import Cut, Line, answered, lines_of

FILE = b'\xef\xbb\xbf{"a":1}\r\n\n{"b":2}\nno json\n' + b"x" * 60 + b'\n{"c":3}'


def read(content: bytes, *, size: int, most: int = 50) -> list[Line]:
    """The lines of some content that arrives in pieces of this size."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    async def collected() -> list[Line]:
        return [line async for line in lines_of(pieces(), most=most)]

    return asyncio.run(collected())


def line(content: bytes) -> Line:
    return Line(1, content)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_lines_are_the_same_however_they_arrive(size: int) -> None:
    found = read(FILE, size=size)

    assert [(one.number, one.read()[0]) for one in found] == [(1, {"a": 1}), (3, {"b": 2}), (4, None), (5, None), (6, {"c": 3})]
    assert [bool(one.read()[1]) for one in found] == [False, False, True, True, False]
    assert "50 bytes" in found[3].problem


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_file_that_breaks_off_within_a_line_is_cut(size: int) -> None:
    with pytest.raises(Cut):
        read(b'{"a":1}\n{"b":', size=size)
    with pytest.raises(Cut):
        read(b'{"a":1}\n' + b"x" * 60, size=size)


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
