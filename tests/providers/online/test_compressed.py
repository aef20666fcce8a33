"""U2: every adapter, through either client, reads what an upstream compressed, and sends nothing twice."""

import gzip
import zlib
from collections.abc import Callable

import msgspec
import pytest

from providers.base import Connection
from providers.failures import Kind
from tests.answers import babble, say
from tests.providers.calls import SECRET, call, failed, send, succeeded
from tests.upstream import Upstream

ANSWERS = {
    "openai": ("/v1/chat/completions", b'{"choices":[{"message":{"content":"four"}}],"usage":{"prompt_tokens":9}}'),
    "anthropic": ("/v1/messages", b'{"type":"message","content":[{"type":"text","text":"four"}],"usage":{"input_tokens":9}}'),
    "http": ("/accounting/v1/invoices", b'{"id":"1"}'),
}
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": lambda body: body,
    "deflate, gzip": lambda body: gzip.compress(zlib.compress(body), mtime=0),
}
MOST = 100_000


@pytest.fixture(params=["fast path", "aiohttp"])
def connect(request: pytest.FixtureRequest, upstream: Upstream) -> Callable[[], Connection]:
    """A connection by either client: the second goes through a proxy, which is the upstream itself."""
    options = {"proxy": upstream.origin} if request.param == "aiohttp" else {}
    return lambda: Connection("up", upstream.base_url, SECRET, options, max_response_bytes=MOST)


every_adapter = pytest.mark.parametrize("adapter", ANSWERS)


@every_adapter
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("chunked", [False, True])
def test_u2_a_success_is_decoded(
    adapter: str, coding: str, chunked: bool, connect: Callable[[], Connection], upstream: Upstream
) -> None:
    endpoint, body = ANSWERS[adapter]
    upstream.answer(say(CODINGS[coding](body), chunked=chunked, content_encoding=coding))
    found = succeeded(send(adapter, connect(), call(endpoint=endpoint))[0])
    assert found.body == body
    assert len(upstream.requests) == 1


@every_adapter
def test_u2_what_was_compressed_once_more_than_it_says_is_decoded(
    adapter: str, connect: Callable[[], Connection], upstream: Upstream
) -> None:
    endpoint, body = ANSWERS[adapter]
    upstream.answer(say(gzip.compress(body)), say(gzip.compress(gzip.compress(body)), content_encoding="gzip"))
    found = send(adapter, connect(), call(endpoint=endpoint), call(endpoint=endpoint))
    assert [succeeded(outcome).body for outcome in found] == [body, body]
    assert len(upstream.requests) == 2


@every_adapter
@pytest.mark.parametrize("coding", CODINGS)
def test_u2_the_reason_of_a_refusal_is_decoded(
    adapter: str, coding: str, connect: Callable[[], Connection], upstream: Upstream
) -> None:
    reason = msgspec.json.encode({"error": {"message": "model not known", "code": "no_model"}})
    upstream.answer(say(CODINGS[coding](reason), status=400, content_encoding=coding))
    found = failed(send(adapter, connect(), call(endpoint=ANSWERS[adapter][0]))[0])
    assert (found.kind, found.code, found.message) == (Kind.INVALID_REQUEST, "no_model", "model not known")
    assert msgspec.json.decode(found.body)


@every_adapter
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", b"\x1b\x03\x00\xf8"),
        ("zstd", b"\x28\xb5\x2f\xfd\x00"),
        ("gzip", gzip.compress(b'{"id":"1"}', mtime=0)[:-9]),
        ("gzip", b"\x1f\x8b nothing like it"),
    ],
)
def test_u2_a_success_that_cannot_be_decoded_is_not_sent_again(
    adapter: str, coding: str, body: bytes, connect: Callable[[], Connection], upstream: Upstream
) -> None:
    upstream.answer(say(body, content_encoding=coding))
    found = failed(send(adapter, connect(), call(endpoint=ANSWERS[adapter][0]))[0])
    assert (found.kind, found.kind.retryable, found.http_status) == (Kind.UNCONFIRMED, False, 200)
    assert "body" in found.message


@every_adapter
def test_u2_a_bomb_is_refused(adapter: str, connect: Callable[[], Connection], upstream: Upstream) -> None:
    upstream.answer(say(gzip.compress(b" " * 50_000_000, mtime=0), content_encoding="gzip"))
    found = failed(send(adapter, connect(), call(endpoint=ANSWERS[adapter][0]))[0])
    assert (found.kind, found.kind.retryable) == (Kind.RESPONSE_TOO_LARGE, False)


@every_adapter
def test_u2_an_error_that_cannot_be_decoded_keeps_its_status(
    adapter: str, connect: Callable[[], Connection], upstream: Upstream
) -> None:
    upstream.answer(say(b"\x1b\x03\x00\xf8", status=429, content_encoding="br", retry_after="7"))
    found = failed(send(adapter, connect(), call(endpoint=ANSWERS[adapter][0]))[0])
    assert (found.kind, found.http_status, found.retry_after) == (Kind.RATE_LIMITED, 429, 7.0)
    assert found.body == b""


def test_u2_a_large_error_is_cut(connect: Callable[[], Connection], upstream: Upstream) -> None:
    upstream.answer(say(gzip.compress(b"x" * 10_000_000, mtime=0), status=500, content_encoding="gzip"))
    found = failed(send("openai", connect(), call())[0])
    assert (found.kind, len(found.body) < 70_000) == (Kind.SERVER_ERROR, True)


def test_u2_two_headers_are_two_codings(upstream: Upstream) -> None:
    body = b'{"choices":[]}'
    twice = gzip.compress(gzip.compress(body), mtime=0)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(twice)
    for options in ({}, {"proxy": upstream.origin}):
        from_wire = Connection("up", upstream.base_url, SECRET, options)
        upstream.answer(babble(head + twice))
        assert succeeded(send("http", from_wire, call(endpoint="/accounting/v1/invoices"))[0]).body == body
