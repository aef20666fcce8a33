"""The adapter `anthropic` against a local upstream: what is sent, and what each kind of answer becomes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from providers.base import Adapter, Call, Check, Connection, Outcome, Usage
from providers.failures import Kind
from providers.online.anthropic import AnthropicAdapter
from tests.answers import Answer, drop, redirect, refuse, say, succeed
from tests.providers.calls import SECRET, call, failed, send, succeeded, talk
from tests.upstream import Upstream

BODY = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "two plus two?"}]}


def connection(upstream: Upstream, **options: Any) -> Connection:
    return Connection("up", upstream.base_url, SECRET, options)


def question(body: dict[str, Any] | bytes | None = None) -> Call:
    return call(BODY if body is None else body, endpoint="/v1/messages")


def outcome_of(upstream: Upstream, answer: Answer) -> Outcome:
    upstream.answer(answer)
    return send("anthropic", connection(upstream), question())[0]


def error(kind: str, message: str = "because") -> bytes:
    """An error of Anthropic's shape."""
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"})


def in_words(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


# --- What is sent ------------------------------------------------------------------------------------------


def test_a_call_is_one_post_with_key_version_and_idempotency_key(upstream: Upstream) -> None:
    sent = question({**BODY, "seed": 12345678901234567890123})
    send("anthropic", connection(upstream), sent)
    (request,) = upstream.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/messages", sent.body)
    assert request.headers["x-api-key"] == SECRET
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["content-type"] == "application/json"
    assert request.idempotency_key == "object-1-0"
    assert "authorization" not in request.headers
    assert "anthropic-beta" not in request.headers


def test_version_and_beta_features_are_options(upstream: Upstream) -> None:
    send("anthropic", connection(upstream, version="2026-10-21", beta="one-2026-01-01,two-2026-02-02"), question())
    headers = upstream.requests[0].headers
    assert (headers["anthropic-version"], headers["anthropic-beta"]) == ("2026-10-21", "one-2026-01-01,two-2026-02-02")


def test_no_key_is_sent_without_a_credential(upstream: Upstream) -> None:
    send("anthropic", Connection("up", upstream.base_url, ""), question())
    assert "x-api-key" not in upstream.requests[0].headers


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/anthropic", "/anthropic/v1"])
def test_a_base_url_may_name_the_version_or_not(upstream: Upstream, suffix: str) -> None:
    send("anthropic", Connection("up", upstream.origin + suffix, SECRET), question())
    prefix = "/anthropic" if "anthropic" in suffix else ""
    assert upstream.requests[0].path == f"{prefix}/v1/messages"


# --- Successes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 9, "output_tokens": 3}, Usage(9, 3)),
        ({"input_tokens": 9, "output_tokens": 3, "cache_creation_input_tokens": None}, Usage(9, 3)),
        (
            {"input_tokens": 9, "output_tokens": 3, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 20},
            Usage(129, 3, 20),
        ),
        ({"input_tokens": 0, "output_tokens": 3, "cache_read_input_tokens": 20, "service_tier": "batch"}, Usage(20, 3, 20)),
        ({"input_tokens": -1}, None),
        (None, None),
    ],
)
def test_cached_tokens_are_part_of_the_input(upstream: Upstream, usage: Any, expected: Usage | None) -> None:
    body = msgspec.json.encode({"type": "message", "content": [], "usage": usage})
    outcome = succeeded(outcome_of(upstream, succeed(body, request_id="req_9", x_request_id="")))
    assert outcome.usage == expected
    assert outcome.body == body
    assert outcome.request_id == "req_9"


# --- Failures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (400, "invalid_request_error", Kind.INVALID_REQUEST),
        (401, "authentication_error", Kind.AUTHENTICATION),
        (402, "billing_error", Kind.QUOTA),
        (400, "billing_error", Kind.QUOTA),
        (403, "permission_error", Kind.PERMISSION),
        (404, "not_found_error", Kind.NOT_FOUND),
        (413, "request_too_large", Kind.INVALID_REQUEST),
        (429, "rate_limit_error", Kind.RATE_LIMITED),
        (500, "api_error", Kind.SERVER_ERROR),
        (504, "timeout_error", Kind.SERVER_ERROR),
        (529, "overloaded_error", Kind.OVERLOADED),
    ],
)
def test_every_error_of_the_contract_has_its_kind_and_keeps_its_words(
    upstream: Upstream, status: int, word: str, kind: Kind
) -> None:
    failure = failed(outcome_of(upstream, say(error(word), status=status)))
    assert (failure.kind, failure.code, failure.message, failure.http_status) == (kind, word, "because", status)
    assert failure.body == error(word)


def test_overload_and_rate_limits_are_tried_again() -> None:
    assert Kind.OVERLOADED.retryable
    assert Kind.RATE_LIMITED.retryable


def test_an_overloaded_upstream_may_say_how_long_to_wait(upstream: Upstream) -> None:
    failure = failed(outcome_of(upstream, say(error("overloaded_error"), status=529, Retry_After="7")))
    assert (failure.kind, failure.retry_after) == (Kind.OVERLOADED, 7.0)


def test_retry_after_goes_before_the_limits_of_the_account(upstream: Upstream) -> None:
    headers: dict[str, Any] = {
        "Retry_After": "3",
        "anthropic_ratelimit_requests_remaining": "0",
        "anthropic_ratelimit_requests_reset": in_words(datetime.now(UTC) + timedelta(seconds=50)),
    }
    assert failed(outcome_of(upstream, say(error("rate_limit_error"), status=429, **headers))).retry_after == 3.0


def test_a_rate_limit_without_retry_after_waits_for_the_limit_that_is_used_up(upstream: Upstream) -> None:
    headers: dict[str, Any] = {
        "anthropic_ratelimit_requests_remaining": "5",
        "anthropic_ratelimit_requests_reset": in_words(datetime.now(UTC) + timedelta(seconds=500)),
        "anthropic_ratelimit_input_tokens_remaining": "0",
        "anthropic_ratelimit_input_tokens_reset": in_words(datetime.now(UTC) + timedelta(seconds=50)),
    }
    wait = failed(outcome_of(upstream, say(error("rate_limit_error"), status=429, **headers))).retry_after
    assert wait is not None
    assert 40 < wait <= 50


@pytest.mark.parametrize(
    "answer",
    [
        say(error("authentication_error", f"bad key {SECRET}"), status=401),
        succeed(b'{"echo":"' + SECRET.encode() + b'"}'),
        redirect(f"http://elsewhere/{SECRET}"),
    ],
    ids=["error", "success", "redirect"],
)
def test_an_echoed_credential_is_redacted(upstream: Upstream, answer: Answer) -> None:
    assert SECRET not in repr(outcome_of(upstream, answer))


# --- Settings and checks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"version": ""}, "version"),
        ({"version": 2023}, "version"),
        ({"version": "2023-06-01\r\nx: y"}, "version"),
        ({"version": "2023-06-01\n"}, "version"),
        ({"beta": "a b"}, "beta"),
        ({"stream": True}, "stream"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], named: str) -> None:
    assert named in AnthropicAdapter.problems(base_url="http://host", options=options)["options"].split(" The options are ")[0]
    with pytest.raises(ValueError, match=named):
        AnthropicAdapter(Connection("up", "http://host", "", options))


def test_a_base_url_is_needed() -> None:
    assert "base_url" in AnthropicAdapter.problems(base_url="", options={})


def checked(connection: Connection) -> Check:
    async def work(adapter: Adapter) -> Check:
        return await adapter.check()

    return talk("anthropic", connection, work)


def test_a_check_says_what_it_found(upstream: Upstream) -> None:
    assert checked(connection(upstream)) == Check(True, f"{upstream.base_url}/models answered and lists 1 model.")
    headers = upstream.requests[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == (SECRET, "2023-06-01")


@pytest.mark.parametrize("answer", [refuse(401, message=f"bad key {SECRET}"), succeed(b"<html>"), redirect("/login"), drop()])
def test_a_check_that_fails_says_why_without_the_credential(upstream: Upstream, answer: Answer) -> None:
    upstream.behave(lambda _: answer)
    check = checked(connection(upstream))
    assert not check.ok
    assert f"{upstream.base_url}/models" in check.message
    assert SECRET not in check.message
