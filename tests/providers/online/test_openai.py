"""The adapter `openai` against a local upstream: what is sent, and what each kind of answer becomes."""

from typing import Any

import msgspec
import pytest

from providers.base import OPENAI_ENDPOINTS, Adapter, Call, Check, Connection, Failure, Outcome, Usage
from providers.failures import Kind
from providers.online.json_api import endpoint_url
from tests.answers import Answer, babble, drop, redirect, refuse, say, succeed
from tests.providers.calls import SECRET, answered, call, failed, send, succeeded, talk
from tests.upstream import Upstream


def connection(upstream: Upstream, *, max_response_bytes: int = 32 * 1024**2) -> Connection:
    return Connection("up", upstream.base_url, SECRET, max_response_bytes=max_response_bytes)


def outcome_of(upstream: Upstream, answer: Answer, *, timeout: float = 10.0, max_response_bytes: int = 2**20) -> Outcome:
    upstream.answer(answer)
    return send("openai", connection(upstream, max_response_bytes=max_response_bytes), call(timeout=timeout))[0]


# --- What is sent ------------------------------------------------------------------------------------------


def test_a_call_is_one_post_with_credential_and_idempotency_key(upstream: Upstream) -> None:
    sent = call({"model": "m", "messages": [], "seed": 12345678901234567890123}, key="object-1-2")
    send("openai", connection(upstream), sent)
    (request,) = upstream.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/chat/completions", sent.body)
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.idempotency_key == "object-1-2"


def test_no_authorization_is_sent_without_a_credential(upstream: Upstream) -> None:
    send("openai", Connection("up", upstream.base_url, ""), call())
    assert "authorization" not in upstream.requests[0].headers


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://host/v1", "https://host/v1/embeddings"),
        ("https://host/v1/", "https://host/v1/embeddings"),
        ("https://host", "https://host/v1/embeddings"),
        ("https://host/openai/v1", "https://host/openai/v1/embeddings"),
        ("https://host/proxy", "https://host/proxy/v1/embeddings"),
        ("https://host/api/v4", "https://host/api/v4/embeddings"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai/embeddings"),
    ],
)
def test_the_version_is_in_the_url_exactly_once(base_url: str, expected: str) -> None:
    assert str(endpoint_url(base_url, "/v1/embeddings")) == expected


def test_cookies_of_the_upstream_are_not_sent_back(upstream: Upstream) -> None:
    upstream.answer(succeed(set_cookie="session=1; Path=/"))
    send("openai", connection(upstream), call(), call())
    assert "cookie" not in upstream.requests[1].headers


def test_one_connection_serves_many_calls(upstream: Upstream) -> None:
    outcomes = send("openai", connection(upstream), *[call() for _ in range(5)])
    assert [succeeded(outcome).http_status for outcome in outcomes] == [200] * 5
    assert upstream.connections == 1


# --- Successes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}, Usage(9, 3)),
        ({"prompt_tokens": 9, "total_tokens": 9}, Usage(9, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
            Usage(9, 3, 4, 1),
        ),
        (
            {
                "input_tokens": 9,
                "output_tokens": 3,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens_details": {"reasoning_tokens": 1},
            },
            Usage(9, 3, 4, 1),
        ),
        ({"prompt_tokens": 9, "completion_tokens": None, "prompt_tokens_details": None}, Usage(9, None, 0, None)),
        (None, None),
        ("many", None),
        ({"prompt_tokens": -1}, None),
        ({"prompt_tokens": 2**31}, None),
    ],
)
def test_usage_is_read_in_every_spelling_and_never_spoils_a_success(upstream: Upstream, usage: Any, expected: Usage) -> None:
    outcome = succeeded(outcome_of(upstream, succeed(answered(b'"usage":' + msgspec.json.encode(usage)), x_request_id="req_9")))
    assert outcome.usage == expected
    assert outcome.request_id == "req_9"


def test_a_body_arrives_byte_for_byte(upstream: Upstream) -> None:
    body = answered('"n":123456789012345678901234567890,"x":1.10,"e":1E5,"t":"ä\\u0000\\u2028 €"'.encode())
    assert succeeded(outcome_of(upstream, succeed(body))).body == body


def test_a_pretty_printed_body_becomes_one_line_with_its_numbers_kept(upstream: Upstream) -> None:
    body = answered(b'\r\n  "n": 123456789012345678901234567890,\n  "x": [1.10, "a\\nb  c"]\n') + b"\n"
    outcome = succeeded(outcome_of(upstream, succeed(body)))
    assert outcome.body == answered(b'"n":123456789012345678901234567890,"x":[1.10,"a\\nb  c"]')


def test_a_body_without_a_content_length_is_read_to_its_end(upstream: Upstream) -> None:
    body = answered(content=msgspec.json.encode("x" * 300_000))
    assert succeeded(outcome_of(upstream, succeed(body, chunked=True))).body == body


# --- Secrets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        refuse(401, message=f"bad key {SECRET}", code=SECRET, param=SECRET),
        say(f"your key is {SECRET}".encode(), status=500),
        succeed(answered(content=b'"' + SECRET.encode() + b'"'), x_request_id=SECRET),
        succeed(f"no json {SECRET}".encode()),
        redirect(f"http://elsewhere/{SECRET}"),
        babble(b"HTTP/1.1 nonsense " + SECRET.encode() + b"\r\n\r\n"),
    ],
    ids=["error", "text", "success", "garbage", "redirect", "babble"],
)
def test_an_echoed_credential_is_redacted(upstream: Upstream, answer: Answer) -> None:
    assert SECRET not in repr(outcome_of(upstream, answer))


def test_a_credential_echoed_with_escapes_is_redacted(upstream: Upstream) -> None:
    secret = "abc/def+ghi=="
    upstream.answer(say(b'{"error":{"message":"bad key abc\\/def+ghi=="}}', status=401))
    outcome = failed(send("openai", Connection("up", upstream.base_url, secret), call())[0])
    assert "[credential]" in outcome.message
    assert b"ghi" not in outcome.body


def test_a_placeholder_credential_does_not_change_answers(upstream: Upstream) -> None:
    upstream.answer(succeed(answered(content=b'"EMPTY"')))
    outcome = succeeded(send("openai", Connection("up", upstream.base_url, "EMPTY"), call())[0])
    assert outcome.body == answered(content=b'"EMPTY"')


def test_a_credential_that_cannot_be_a_header_fails_without_being_shown(upstream: Upstream) -> None:
    failure = failed(send("openai", Connection("up", upstream.base_url, "evil\r\nsecret: 1"), call())[0])
    assert failure.kind is Kind.PORTAL
    assert "evil" not in repr(failure)
    assert upstream.requests == []


# --- Settings and checks -----------------------------------------------------------------------------------


def checked(connection: Connection) -> Check:
    async def work(adapter: Adapter) -> Check:
        return await adapter.check()

    return talk("openai", connection, work)


def test_a_check_says_what_it_found(upstream: Upstream) -> None:
    check = checked(connection(upstream))
    assert check == Check(True, f"{upstream.base_url}/models answered and lists 1 model.")
    assert upstream.requests[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "answer", [refuse(401, message=f"bad key {SECRET}"), succeed(b"<html>"), redirect("/login"), drop(), babble()]
)
def test_a_check_that_fails_says_why_without_the_credential(upstream: Upstream, answer: Answer) -> None:
    upstream.behave(lambda _: answer)
    check = checked(connection(upstream))
    assert not check.ok
    assert f"{upstream.base_url}/models" in check.message
    assert SECRET not in check.message


def test_an_endpoint_that_is_not_served_is_the_portals_failure(upstream: Upstream) -> None:
    outcome = send("openai", connection(upstream), Call("/v1/unknown", b"{}", "k", 1.0))[0]
    assert isinstance(outcome, Failure)
    assert outcome.kind is Kind.PORTAL
    assert "/v1/unknown" not in OPENAI_ENDPOINTS
