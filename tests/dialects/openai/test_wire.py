"""The wire itself: bodies that are no JSON, methods and paths that do not exist, and what Django answers on its own."""

import logging
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.db import OperationalError
from pytest_django import Settings

from batches.dialects.shared import batches as views
from tests.dialects.openai.conftest import Api


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b"[]",
        b'"text"',
        b"null",
        b"5",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b'{"metadata": NaN}',
        b'{"metadata": Infinity}',
        b'{"metadata": 1e999}',
        b'{"metadata": "\xff"}',
        b'{"metadata": "\xed\xa0\x80"}',
        rb'{"metadata": "\ud800"}',
        rb'{"metadata": "\ud800 and more"}',
        rb'{"metadata": "\u0000"}',
        b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"metadata": ' + b"1" * 5000 + b"}",
        b'{"a": "\x00"}',
        b"\x00",
        "{}".encode("utf-16"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    answer = api.post_bytes("/v1/batches", body)
    assert answer.status == 400
    assert answer.error["code"] == "invalid_body"


def test_the_place_of_a_nul_is_named(api: Api) -> None:
    answer = api.post_bytes("/v1/batches", rb'{"metadata": {"a": ["", {"b": "x\u0000"}]}}')
    assert answer.error["param"] == "metadata.a[1].b"


def test_a_backslash_before_u0000_is_no_nul(api: Api) -> None:
    answer = api.batch(metadata={"path": "C:\\u0000"})
    assert answer.json["metadata"] == {"path": "C:\\u0000"}


@pytest.mark.parametrize(("path", "code"), [("/v1/batches", "invalid_body"), ("/v1/uploads", "missing_required_parameter")])
def test_an_empty_body_is_refused(api: Api, path: str, code: str) -> None:
    answer = api.post(path)
    assert answer.status == 400
    assert answer.error["code"] == code


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=hex", "?"]
)
def test_json_is_read_whatever_the_content_type_says(api: Api, content_type: str) -> None:
    answer = api.post_bytes("/v1/batches", b'{"endpoint": "/v1/nothing"}', content_type=content_type)
    assert answer.status == 400
    assert answer.error["code"] in ("missing_required_parameter", "invalid_value")


def test_a_form_is_not_taken_for_json(api: Api) -> None:
    assert api.post_form("/v1/batches", {"endpoint": "/v1/embeddings"}).status == 415


def test_a_body_over_the_limit_is_refused(api: Api) -> None:
    long = b'{"metadata": "' + b"x" * (portal_settings.MAX_JSON_BYTES + 1) + b'"}'
    for path, body in (("/v1/uploads", b" " * (portal_settings.MAX_JSON_BYTES + 1)), ("/v1/batches", long)):
        answer = api.post_bytes(path, body)
        assert answer.status == 413
        assert answer.error["code"] == "request_too_large"


def test_a_body_of_unknown_length_is_refused_where_the_server_cannot_tell_its_end(api: Api) -> None:
    answer = api.call("POST", "/v1/batches", headers={"Transfer-Encoding": "chunked"})
    assert answer.status == 411
    assert answer.error["code"] == "length_required"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/batches/x", "GET, HEAD, OPTIONS"),
        ("PUT", "/v1/batches", "GET, POST, HEAD, OPTIONS"),
        ("PATCH", "/v1/files/x", "GET, DELETE, HEAD, OPTIONS"),
        ("GET", "/v1/batches/x/cancel", "POST, OPTIONS"),
        ("POST", "/v1/batches/x/results", "GET, HEAD, OPTIONS"),
        ("GET", "/v1/uploads", "POST, OPTIONS"),
        ("TRACE", "/v1/files", "GET, POST, HEAD, OPTIONS"),
        ("NONSENSE", "/v1/files", "GET, POST, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_there_is_refused_with_those_that_are(api: Api, method: str, path: str, allowed: str) -> None:
    answer = api.call(method, path)
    assert answer.status == 405
    assert answer.headers["Allow"] == allowed
    assert answer.error["code"] == "method_not_allowed"


def test_head_is_get_without_a_body(api: Api) -> None:
    answer = api.call("HEAD", f"/v1/files/{api.file_id()}")
    assert (answer.status, answer.content) == (200, b"")


def test_options_names_the_methods(api: Api) -> None:
    answer = api.call("OPTIONS", "/v1/batches")
    assert answer.status == 200
    assert answer.json == {"allow": ["GET", "POST", "HEAD", "OPTIONS"]}


@pytest.mark.parametrize("accept", ["application/binary", "text/html", "nonsense", "*/*;q=0", ""])
def test_accept_does_not_matter(api: Api, accept: str) -> None:
    answer = api.get("/v1/batches", headers={"Accept": accept})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/v1/batches/", "/v1/files/", "/v1/files/x/content/", "/v1/batches/x/cancel/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_slash_too_many_is_named_and_never_redirected(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)
    assert answer.status == 404
    assert "slash" in answer.error["message"]


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/nothing", "/v1/v1/batches", "/batches", "/batches/x", "/files", "/uploads/x/parts", "/v1/batches/a%2Fb"],
)
def test_a_path_that_is_not_there_names_the_base_url(nobody: Api, path: str) -> None:
    answer = nobody.get(path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert "http://testserver/v1." in answer.error["message"]


@pytest.mark.parametrize("path", ["/v1x", "/batchesx", "/console/nothing", "/nothing"])
def test_a_path_of_nobody_is_left_to_the_portal(nobody: Api, path: str) -> None:
    assert nobody.get(path).headers["Content-Type"].startswith("text/html")


def test_a_host_that_is_not_served_is_refused_in_the_dialects_words(api: Api) -> None:
    answer = api.get("/v1/batches", headers={"Host": "elsewhere.example"})
    assert answer.status == 400
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", "unknown_host")
    assert "ALLOWED_HOSTS" in answer.error["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/batches"), ("GET", "/v1/files/x"), ("GET", "/v1/nothing"), ("PUT", "/v1/files"), ("GET", "/nothing")],
)
def test_every_answer_names_its_request_under_both_names(api: Api, method: str, path: str) -> None:
    headers = api.call(method, path).headers
    assert headers["x-request-id"] == headers["request-id"]
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-request-id"] != api.call(method, path).headers["x-request-id"]


def test_an_error_that_nobody_foresaw_is_logged_under_the_id_that_the_client_got(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(views, "find_batch_at", fail)
    with caplog.at_level(logging.ERROR):
        answer = api.get("/v1/batches/x")
    assert answer.status == 500
    assert answer.error == {"message": "Something went wrong.", "type": "server_error", "param": None, "code": "internal_error"}
    logged = [record for record in caplog.records if answer.headers["x-request-id"] in record.getMessage()]
    assert len(logged) == 1
    assert logged[0].exc_info is not None


def test_a_database_that_cannot_be_reached_is_worth_another_try(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(views, "find_batch_at", fail)
    answer = api.get("/v1/batches/x")
    assert answer.status == 503
    assert answer.error["code"] == "unavailable"


def test_debugging_does_not_change_the_dialect(api: Api, settings: Settings) -> None:
    settings.DEBUG = True
    assert api.get("/v1/nothing").error["code"] == "unknown_url"


def test_cookies_and_tokens_against_forgery_are_not_asked_for(api: Api) -> None:
    api.client.handler.enforce_csrf_checks = True
    answer = api.batch(input_file_id="x")
    assert answer.status == 404, "it came through to the file"
    assert "Set-Cookie" not in answer.headers
