"""The adapter `openai` when an upstream fails: kinds, reasons, redirects, bodies that do not arrive, and cancelling."""

import asyncio
from typing import Any

import msgspec
import pytest

from providers.base import Adapter, Connection, Outcome
from providers.failures import Kind
from tests.answers import Answer, babble, break_off, drop, redirect, refuse, say, stay_silent, succeed
from tests.providers.calls import SECRET, answered, call, failed, send, succeeded, talk
from tests.upstream import Upstream


def connection(upstream: Upstream, *, max_response_bytes: int = 32 * 1024**2) -> Connection:
    return Connection("up", upstream.base_url, SECRET, max_response_bytes=max_response_bytes)


def outcome_of(upstream: Upstream, answer: Answer, *, timeout: float = 10.0, max_response_bytes: int = 2**20) -> Outcome:
    upstream.answer(answer)
    return send("openai", connection(upstream, max_response_bytes=max_response_bytes), call(timeout=timeout))[0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.INVALID_REQUEST),
        (401, Kind.AUTHENTICATION),
        (402, Kind.QUOTA),
        (403, Kind.PERMISSION),
        (404, Kind.NOT_FOUND),
        (405, Kind.INVALID_REQUEST),
        (408, Kind.OVERLOADED),
        (409, Kind.OVERLOADED),
        (413, Kind.INVALID_REQUEST),
        (422, Kind.INVALID_REQUEST),
        (420, Kind.RATE_LIMITED),
        (424, Kind.SERVER_ERROR),
        (425, Kind.OVERLOADED),
        (498, Kind.SERVER_ERROR),
        (499, Kind.SERVER_ERROR),
        (501, Kind.NOT_FOUND),
        (505, Kind.INVALID_REQUEST),
        (429, Kind.RATE_LIMITED),
        (500, Kind.SERVER_ERROR),
        (502, Kind.SERVER_ERROR),
        (503, Kind.OVERLOADED),
        (504, Kind.SERVER_ERROR),
        (529, Kind.OVERLOADED),
        (302, Kind.REDIRECTED),
        (304, Kind.REDIRECTED),
        (600, Kind.INVALID_RESPONSE),
    ],
)
def test_every_status_that_is_no_success_has_its_kind(upstream: Upstream, status: int, kind: Kind) -> None:
    failure = failed(outcome_of(upstream, refuse(status, message="because") if status != 304 else Answer(status)))
    assert (failure.kind, failure.http_status, failure.request_id) == (kind, status, "req_1")
    assert failure.message


def test_an_empty_account_is_told_from_a_rate_limit(upstream: Upstream) -> None:
    failure = failed(outcome_of(upstream, refuse(429, code="insufficient_quota")))
    assert (failure.kind, failure.code) == (Kind.QUOTA, "insufficient_quota")


@pytest.mark.parametrize(
    ("body", "message", "code", "param"),
    [
        (b'{"error":{"message":"m","type":"t","param":"p","code":"c"}}', "m", "c", "p"),
        (b'{"error":{"message":"m","type":"t","param":null,"code":null}}', "m", "t", ""),
        (b'{"error":{"message":"m","code":1302}}', "m", "1302", ""),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}', "m", "overloaded_error", ""),
        (b'{"error":"m"}', "m", "invalid_request", ""),
        (b'{"error":"m","code":"c"}', "m", "c", ""),
        (b'{"detail":"m"}', "m", "invalid_request", ""),
        (b'{"detail":[{"loc":["body","model"],"msg":"m"}]}', '[{"loc":["body","model"],"msg":"m"}]', "invalid_request", ""),
        (b'{"message":"m","code":"c","param":"p"}', "m", "c", "p"),
        (b'[{"error":{"message":"m","code":400}}]', "m", "400", ""),
        (b'{"error":{"message":{"why":"m"}}}', '{"why":"m"}', "invalid_request", ""),
        (b'"m"', "m", "invalid_request", ""),
        (b"m", "m", "invalid_request", ""),
        (b"{}", "The upstream refused the request as invalid. (HTTP 400.)", "invalid_request", ""),
        (b"[]", "[]", "invalid_request", ""),
        (b"", "The upstream refused the request as invalid. (HTTP 400.)", "invalid_request", ""),
        (b"<html>Bad</html>", "The upstream refused the request as invalid. (HTTP 400.)", "invalid_request", ""),
    ],
)
def test_the_upstreams_reason_is_found_in_any_shape(upstream: Upstream, body: bytes, message: str, code: str, param: str) -> None:
    failure = failed(outcome_of(upstream, say(body, status=400)))
    assert (failure.message, failure.code, failure.param) == (message, code, param)
    if body:
        msgspec.json.decode(failure.body)


@pytest.mark.parametrize("body", [b"<html>\n<b>502</b>\xff\x00", b'{"a":\n 1}', b'{"error":{"message":"a\\u0000b\\nc"}}', b" \n"])
def test_the_body_of_a_failure_is_one_line_of_json_or_empty(upstream: Upstream, body: bytes) -> None:
    failure = failed(outcome_of(upstream, say(body, status=502)))
    assert b"\n" not in failure.body
    assert "\x00" not in failure.message
    if body.strip():
        msgspec.json.decode(failure.body)
    else:
        assert failure.body == b""


def test_long_reasons_are_shortened(upstream: Upstream) -> None:
    failure = failed(outcome_of(upstream, refuse(400, message="x" * 5000, code="c" * 500, param="p" * 500)))
    assert (len(failure.message), len(failure.code), len(failure.param)) == (2000, 100, 200)


def test_a_huge_failure_is_cut_and_keeps_its_kind(upstream: Upstream) -> None:
    failure = failed(outcome_of(upstream, say(b"y" * 5_000_000, status=503)))
    assert failure.kind is Kind.OVERLOADED
    assert len(failure.body) < 100_000
    msgspec.json.decode(failure.body)


@pytest.mark.parametrize(
    ("retry_after", "expected"), [(7, 7.0), ("1.5", 1.5), ("0", 0.0), ("-3", 0.0), ("soon", None), ("inf", None), (None, None)]
)
def test_retry_after_is_read_in_seconds(upstream: Upstream, retry_after: Any, expected: float | None) -> None:
    assert failed(outcome_of(upstream, refuse(429, retry_after=retry_after))).retry_after == expected


@pytest.mark.parametrize(
    "body", [b"<html>ok</html>", b"", b"{", b'{"a":1}{"b":2}', b'{"a":"\x00"}', b'{"a":1}\x00', b'{"a":"\xff"}', b'{"a":NaN}']
)
def test_u4_a_success_that_is_not_json_was_paid_and_is_not_sent_again(upstream: Upstream, body: bytes) -> None:
    failure = failed(outcome_of(upstream, succeed(body) if body else say(body)))
    assert (failure.kind, failure.code, failure.http_status) == (Kind.UNCONFIRMED, "unconfirmed", 200)
    assert not failure.kind.retryable
    assert "It begins with" in failure.message or not body
    assert not failure.body or msgspec.json.decode(failure.body)


def test_u4_json_nested_too_deeply_was_paid_and_is_not_sent_again(upstream: Upstream) -> None:
    body = b"[" * 100_000 + b"]" * 100_000
    assert failed(outcome_of(upstream, succeed(body))).kind is Kind.UNCONFIRMED


def test_a_redirect_is_not_followed(upstream: Upstream) -> None:
    failure = failed(outcome_of(upstream, redirect(f"{upstream.origin}/elsewhere")))
    assert failure.kind is Kind.REDIRECTED
    assert "/elsewhere" in failure.message
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_above_the_cap_is_dropped(upstream: Upstream, *, chunked: bool) -> None:
    failure = failed(outcome_of(upstream, succeed(b"1" * 200_001, chunked=chunked), max_response_bytes=200_000))
    assert (failure.kind, failure.http_status) == (Kind.RESPONSE_TOO_LARGE, 200)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_at_the_cap_is_taken(upstream: Upstream, *, chunked: bool) -> None:
    body = answered(content=msgspec.json.encode("a" * (200_000 - len(answered(content=b'""')))))
    assert len(body) == 200_000
    assert succeeded(outcome_of(upstream, succeed(body, chunked=chunked), max_response_bytes=200_000)).body == body


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (stay_silent(), Kind.TIMEOUT),
        (drop(), Kind.CONNECTION_LOST),
        (break_off(), Kind.CONNECTION_LOST),
        (break_off(chunked=True), Kind.CONNECTION_LOST),
        (babble(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"), Kind.CONNECTION_LOST),
        (babble(), Kind.INVALID_RESPONSE),
        (babble(b"HTTP/1.1 abc\r\n\r\n"), Kind.INVALID_RESPONSE),
    ],
    ids=str,
)
def test_an_answer_that_does_not_arrive_whole_has_its_kind(upstream: Upstream, answer: Answer, kind: Kind) -> None:
    failure = failed(outcome_of(upstream, answer, timeout=0.3 if kind is Kind.TIMEOUT else 10.0))
    assert failure.kind is kind
    assert failure.message.startswith(kind.sentence)
    assert len(upstream.requests) == 1, "nothing may be sent again by itself"


def test_a_body_that_stalls_is_a_timeout(upstream: Upstream) -> None:
    upstream.answer(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", hold_open=True))
    assert failed(send("openai", connection(upstream), call(timeout=0.3))[0]).kind is Kind.TIMEOUT


def test_an_upstream_that_is_away_is_a_failure_to_connect_and_usable_once_it_is_back(upstream: Upstream) -> None:
    async def work(adapter: Adapter) -> list[Outcome]:
        before = await adapter.send(call())
        await asyncio.to_thread(upstream.stop)
        cut = await adapter.send(call())  # may still find the connection that the upstream has just ended
        away = await adapter.send(call())
        await asyncio.to_thread(upstream.start)
        return [before, cut, away, await adapter.send(call())]

    before, cut, away, after = talk("openai", connection(upstream), work)
    succeeded(before)
    assert failed(cut).kind in {Kind.CONNECTION_LOST, Kind.CONNECT}
    assert failed(away).kind is Kind.CONNECT
    succeeded(after)


def test_cancelling_reaches_the_upstream_and_spares_the_adapter(upstream: Upstream) -> None:
    upstream.answer(stay_silent())

    async def work(adapter: Adapter) -> Outcome:
        sending = asyncio.create_task(adapter.send(call(timeout=60)))
        await asyncio.to_thread(upstream.wait_until, lambda u: u.in_flight == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.to_thread(upstream.wait_until, lambda u: u.abandoned == 1)
        return await adapter.send(call())

    succeeded(talk("openai", connection(upstream), work))
