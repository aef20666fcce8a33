"""What a request is for Django."""

from io import BytesIO
from typing import Any

import pytest

from config.front import exchange
from config.front.exchange import environ_of, gathered

SCOPE: dict[str, Any] = {
    "method": "POST",
    "raw_path": b"/v1/batches",
    "query_string": b"a=%20b&c",
    "http_version": "1.1",
    "scheme": "http",
    "server": ("127.0.0.1", 8000),
    "client": ("192.0.2.1", 1234),
    "headers": [(b"host", b"localhost"), (b"content-type", b"text/plain"), (b"content-length", b"2")],
}


def test_a_request_is_what_the_client_has_sent() -> None:
    environ = environ_of(SCOPE, BytesIO(b"{}"))

    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("POST", "/v1/batches", "a=%20b&c")
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"], environ["HTTP_HOST"]) == ("text/plain", "2", "localhost")
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"], environ["SERVER_PROTOCOL"]) == ("192.0.2.1", "8000", "HTTP/1.1")
    assert environ["wsgi.input"].read() == b"{}"


def test_nothing_of_the_processs_own_environment_is_in_it() -> None:
    assert "PATH" not in environ_of(SCOPE, BytesIO())


@pytest.mark.parametrize(
    ("path", "bytes_of_it"), [(b"/a%20b", b"/a b"), (b"/%C3%BC", b"/\xc3\xbc"), (b"/%FF%25", b"/\xff%"), (b"/a%2Fb", b"/a/b")]
)
def test_a_path_is_decoded_byte_by_byte(path: bytes, bytes_of_it: bytes) -> None:
    environ = environ_of(SCOPE | {"raw_path": path}, BytesIO())

    assert environ["PATH_INFO"].encode("latin-1") == bytes_of_it


def test_a_header_that_comes_twice_is_joined_and_cookies_as_cookies_are() -> None:
    headers = [(b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"a=1"), (b"cookie", b"b=2")]
    environ = environ_of(SCOPE | {"headers": headers}, BytesIO())

    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_no_header_can_pass_for_another_one_by_an_underscore() -> None:
    headers = [(b"x_forwarded_for", b"10.0.0.1"), (b"x-forwarded-for", b"192.0.2.7"), (b"content_length", b"9")]
    environ = environ_of(SCOPE | {"headers": headers}, BytesIO())

    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.7"
    assert "CONTENT_LENGTH" not in environ


def test_small_pieces_are_gathered_and_large_ones_are_left_as_they_are() -> None:
    pieces = [b"a" * 1000] * 100 + [b"b" * 300_000, b"c"]
    found = list(gathered(pieces))

    assert b"".join(found) == b"".join(pieces)
    assert len(found) == 3


def test_of_an_answer_that_is_slow_to_make_what_there_is_comes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "FLUSH_SECONDS", 0.0)

    assert list(gathered([b"a", b"b"])) == [b"a", b"b"]
