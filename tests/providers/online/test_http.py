"""The adapter `http` against a local upstream: what is sent, and what each kind of answer becomes."""

from typing import Any

import msgspec
import pytest

from providers.base import ACCOUNTING_ENDPOINTS, Adapter, Check, Connection, Failure, Outcome
from providers.failures import Kind
from providers.models import Provider
from providers.online.http import HttpAdapter, record_url
from tests.answers import Answer, drop, redirect, refuse, say, stay_silent, succeed
from tests.providers.calls import SECRET, call, failed, send, succeeded, talk
from tests.upstream import Upstream

INVOICES = "/accounting/v1/invoices"
INVOICE = rb'{"total_amount": 120.50, "memo": "\u00e9\/", "n": 12345678901234567890123}'


def connection(upstream: Upstream, **options: Any) -> Connection:
    return Connection("books", upstream.origin, SECRET, options)


def write(upstream: Upstream, *answers: Answer, timeout: float = 10.0, **options: Any) -> Outcome:
    upstream.answer(*answers)
    return send("http", connection(upstream, **options), call(INVOICE, endpoint=INVOICES, timeout=timeout))[0]


def problem(**options: Any) -> str:
    """What is said about these options; empty when they are good."""
    return HttpAdapter.problems(base_url="https://books.example", options=options).get("options", "")


# --- What is sent ------------------------------------------------------------------------------------------


def test_a_record_is_posted_byte_for_byte_with_credential_and_idempotency_key(upstream: Upstream) -> None:
    send("http", connection(upstream), call(INVOICE, endpoint=INVOICES, key="object-1-2"))
    (request,) = upstream.requests
    assert (request.method, request.path, request.body) == ("POST", "/invoices", INVOICE)
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-type"] == "application/json"
    assert request.idempotency_key == "object-1-2"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_method_can_be_chosen(upstream: Upstream, method: str) -> None:
    write(upstream, method=method)
    assert upstream.requests[0].method == method


def test_the_credential_can_go_into_a_header_of_its_own(upstream: Upstream) -> None:
    write(upstream, auth="X-Api-Key")
    assert upstream.requests[0].headers["x-api-key"] == SECRET
    assert "authorization" not in upstream.requests[0].headers


def test_the_credential_can_be_left_out(upstream: Upstream) -> None:
    write(upstream, auth="none")
    send("http", Connection("books", upstream.origin, "", {"auth": "X-Api-Key"}), call(INVOICE, endpoint=INVOICES))
    assert not any({"authorization", "x-api-key", "none"} & set(request.headers) for request in upstream.requests)


def test_more_headers_can_be_sent_and_take_the_place_of_the_usual_ones(upstream: Upstream) -> None:
    write(upstream, headers={"X-Company": "Acme Ltd", "content-type": "application/vnd.api+json"}, idempotency_header="X-Once")
    headers = upstream.requests[0].headers
    assert headers["x-company"] == "Acme Ltd"
    assert headers["content-type"] == "application/vnd.api+json"
    assert headers["x-once"] == "object-1-0"
    assert "idempotency-key" not in headers


def test_a_record_can_be_wrapped(upstream: Upstream) -> None:
    write(upstream, wrap='the "model"')
    assert upstream.requests[0].body == rb'{"the \"model\"":' + INVOICE + b"}"


@pytest.mark.parametrize(
    ("base_url", "path", "endpoint", "expected"),
    [
        ("https://host", "/{model}", INVOICES, "https://host/invoices"),
        ("https://host/v3/", "/{model}", "/accounting/v1/sales-orders", "https://host/v3/sales-orders"),
        ("https://host", "/company/1/{model}?minorversion=65", INVOICES, "https://host/company/1/invoices?minorversion=65"),
        ("https://host", "/records", INVOICES, "https://host/records"),
        ("https://host", "/{model}/{model}%20new", INVOICES, "https://host/invoices/invoices%20new"),
    ],
)
def test_the_path_is_made_from_the_endpoint(base_url: str, path: str, endpoint: str, expected: str) -> None:
    assert str(record_url(base_url, path, endpoint)) == expected


# --- What comes back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_answer_is_kept_as_it_is(upstream: Upstream, status: int) -> None:
    body = b'{"data": {"id": "inv_1", "total": 1.50}}'
    outcome = succeeded(write(upstream, say(body, status=status)))
    assert (outcome.http_status, outcome.body) == (status, body)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_answer_without_a_body_is_a_success_of_null(upstream: Upstream, status: int) -> None:
    assert succeeded(write(upstream, say(b"", status=status))).body == b"null"


@pytest.mark.parametrize("body", [b"<html>Created</html>", b"created", b'{"id": "\xff"}', b'{"id": '])
def test_what_was_taken_but_answered_unreadably_is_never_written_again(upstream: Upstream, body: bytes) -> None:
    failure = failed(write(upstream, say(body)))
    assert (failure.kind, failure.code, failure.http_status) == (Kind.UNCONFIRMED, "unconfirmed", 200)
    assert not failure.kind.retryable
    assert failure.body


@pytest.mark.parametrize("wait", [7, 0.5])
def test_a_rate_limit_says_how_long_to_wait(upstream: Upstream, wait: float) -> None:
    failure = failed(write(upstream, refuse(429, retry_after=wait)))
    assert (failure.kind, failure.retry_after) == (Kind.RATE_LIMITED, wait)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuse(400), Kind.INVALID_REQUEST),
        (refuse(401), Kind.AUTHENTICATION),
        (refuse(403), Kind.PERMISSION),
        (refuse(404), Kind.NOT_FOUND),
        (refuse(409), Kind.INVALID_REQUEST),
        (refuse(422), Kind.INVALID_REQUEST),
        (refuse(500), Kind.SERVER_ERROR),
        (refuse(503), Kind.OVERLOADED),
        (redirect("https://elsewhere.example"), Kind.REDIRECTED),
        (drop(), Kind.CONNECTION_LOST),
    ],
)
def test_every_other_answer_is_a_failure_of_its_kind(upstream: Upstream, answer: Answer, kind: Kind) -> None:
    failure = failed(write(upstream, answer))
    assert failure.kind is kind
    assert len(upstream.requests) == 1


def test_a_silent_upstream_is_a_timeout(upstream: Upstream) -> None:
    assert failed(write(upstream, stay_silent(), timeout=0.2)).kind is Kind.TIMEOUT


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "customer missing"}},
        {"detail": "customer missing"},
        {"errors": [{"title": "Bad", "detail": "customer missing"}], "warnings": []},
        {"errors": ["customer missing"]},
        {"errors": [{"title": "customer missing"}, {"title": "more"}]},
    ],
)
def test_the_upstreams_words_are_found_in_the_usual_shapes(upstream: Upstream, error: Any) -> None:
    body = msgspec.json.encode(error)
    failure = failed(write(upstream, say(body, status=400)))
    assert (failure.message, failure.body) == ("customer missing", body)


def test_the_credential_is_never_repeated(upstream: Upstream) -> None:
    for answer in (say(b'{"id": "%b"}' % SECRET.encode()), refuse(401, message=f"The key {SECRET} is wrong.")):
        assert SECRET not in repr(write(upstream, answer))


# --- The check -----------------------------------------------------------------------------------------------


def check(upstream: Upstream, answer: Answer) -> Check:
    async def look(connected: Adapter) -> Check:
        return await connected.check()

    upstream.answer(answer)
    return talk("http", connection(upstream), look)


@pytest.mark.parametrize("answer", [succeed(), say(b"<html>", status=200), refuse(404), refuse(405)])
def test_an_upstream_that_answers_a_look_can_be_used(upstream: Upstream, answer: Answer) -> None:
    found = check(upstream, answer)
    assert found.ok
    assert str(answer.status) in found.message
    assert upstream.requests[0].method == "GET"


@pytest.mark.parametrize(
    ("answer", "words"), [(refuse(401), "401"), (refuse(403), "403"), (refuse(500), "500"), (redirect("/login"), "redirect")]
)
def test_an_upstream_that_refuses_the_credential_or_fails_cannot(upstream: Upstream, answer: Answer, words: str) -> None:
    found = check(upstream, answer)
    assert not found.ok
    assert words in found.message


def test_an_upstream_that_is_not_there_cannot(upstream: Upstream) -> None:
    upstream.stop()
    assert not check(upstream, succeed()).ok


# --- Options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"method": "DELETE"}, "method"),
        ({"path": "{model}"}, "path"),
        ({"path": "/{models}"}, "path"),
        ({"path": "/two words"}, "path"),
        ({"path": "/{model}#top"}, "path"),
        ({"headers": {"Authorization": "Bearer x"}}, "headers"),
        ({"headers": {"Host": "elsewhere"}}, "headers"),
        ({"headers": {"Accept-Encoding": "gzip"}}, "headers"),
        ({"headers": {"Idempotency-Key": "1"}}, "headers"),
        ({"headers": {"x-key": "1"}, "auth": "X-Key"}, "headers"),
        ({"headers": {"two words": "1"}}, "headers"),
        ({"headers": {"X-Line": "a\r\nX-Evil: 1"}}, "headers"),
        ({"headers": {"X-Number": 1}}, "headers"),
        ({"auth": "two words"}, "auth"),
        ({"auth": "Host"}, "auth"),
        ({"auth": ""}, "auth"),
        ({"idempotency_header": "a:b"}, "idempotency_header"),
        ({"id_path": ""}, "id_path"),
        ({"id_path": "data..id"}, "id_path"),
        ({"wrap": 1}, "wrap"),
        ({"endpoints": []}, "endpoints"),
        ({"endpoints": ["invoices"]}, "endpoints"),
        ({"endpoints": ["/a?b"]}, "endpoints"),
        ({"endpoints": ["/" + "a" * 100]}, "endpoints"),
        ({"endpoints": "/a"}, "endpoints"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], named: str) -> None:
    assert named in problem(**options).split(" The options are ")[0]
    with pytest.raises(ValueError, match=named):
        HttpAdapter(Connection("books", "https://books.example", "", options))


def test_good_options_have_no_problems() -> None:
    headers = {"X-Company": "Acme Ltd", "Accept": "application/json; v=2"}
    more = {"wrap": "model", "id_path": "data.0.id", "endpoints": ["/crm/v1/contacts"], "headers": headers}
    assert problem(method="PUT", path="/a/{model}?b=1", auth="X-Api-Key", idempotency_header="X-Once", **more) == ""


def test_a_base_url_is_needed() -> None:
    assert set(HttpAdapter.problems(base_url="", options={})) == {"base_url"}


def test_the_options_decide_what_a_provider_serves() -> None:
    assert Provider(adapter="http").endpoints == ACCOUNTING_ENDPOINTS
    assert Provider(adapter="http", options={"endpoints": [INVOICES]}).endpoints == {INVOICES}


def test_what_is_not_served_is_not_sent(upstream: Upstream) -> None:
    elsewhere = call(INVOICE, endpoint="/accounting/v1/expenses")
    outcome = send("http", connection(upstream, endpoints=[INVOICES]), elsewhere)[0]
    assert isinstance(outcome, Failure)
    assert outcome.kind is Kind.PORTAL
    assert upstream.requests == []
