"""Reading JSON bodies."""

from io import BytesIO
from types import SimpleNamespace

import pytest

from batches.http.errors import InvalidBody
from batches.http.parsers import JSONParser, read_object
from batches.rules.errors import TooLarge


def test_a_body_longer_than_declared_is_read_up_to_the_limit_only() -> None:
    stream = BytesIO(b"{}" + b" " * 100)
    view = SimpleNamespace(max_body_bytes=lambda: 10)
    with pytest.raises(TooLarge):
        JSONParser().parse(stream, "application/json", {"view": view})
    assert stream.tell() == 11


def test_numbers_of_any_length_that_python_has_are_read_exactly() -> None:
    assert read_object(b'{"n": 123456789012345678901234567890}') == {"n": 123456789012345678901234567890}


def test_c7_a_key_that_comes_twice_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidBody, match="'a' is given more than once"):
        read_object(b'{"a": 1, "a": 2}')


def test_a_nul_is_found_at_any_depth_that_can_be_read() -> None:
    depth = 500
    body = b'{"a":' * depth + rb'"\u0000"' + b"}" * depth
    with pytest.raises(InvalidBody) as refused:
        read_object(body)
    assert refused.value.param == ".".join("a" * depth)
