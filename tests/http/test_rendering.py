"""JSON as clients get it."""

import json

import pytest

from batches.http.rendering import encode, raw


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_json_number_is_null(number: float) -> None:
    assert encode({"a": [number]}) == b'{"a":[null]}'


@pytest.mark.parametrize("text", ["a\r\nb", "\u2028\u2029\x85", "\x00\x1b", "\ufeff", "日本 🎉", "'"])
def test_a_value_is_on_one_line_whatever_it_says(text: str) -> None:
    content = encode({text: text})
    assert b"\n" not in content
    assert b"\r" not in content
    assert json.loads(content) == {text: text}


def test_a_document_is_embedded_byte_for_byte() -> None:
    document = b'{ "a": 1.10, "a": 1e400 }'
    assert encode({"b": raw(document)}) == b'{"b":' + document + b"}"
