"""The wire itself: keys, headers, methods and paths that do not exist, and what Django answers on its own."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from batches.dialects.anthropic import views
from batches.dialects.anthropic.errors import render_error
from batches.models import Batch, File, IdempotencyRecord
from batches.rules.errors import InProgress, PortalError
from tests.dialects.anthropic.conftest import BATCHES, Api, request


def test_both_ways_to_send_a_key_open_the_same_door(api: Api, old_api: Api) -> None:
    batch_id = api.batch_id()
    assert old_api.batch(batch_id) == api.batch(batch_id)
    assert old_api.create(request("old")).status == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Api-Key": "wrong"}, {"X-Api-Key": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}],
)
def test_a_call_without_a_good_key_is_refused(nobody: Api, headers: dict[str, str]) -> None:
    answer = nobody.get(BATCHES, headers=headers)
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")


@pytest.mark.parametrize("version", ["", "2023-06-01", "2026-10-21", "tomorrow"])
def test_any_version_is_taken(api: Api, version: str) -> None:
    assert api.get(BATCHES, headers={"anthropic-version": version}).status == 200


def test_no_version_is_needed(api: Api) -> None:
    del api.headers["anthropic-version"]
    assert api.create().status == 200


@pytest.mark.parametrize("timeout", ["NOT_GIVEN", "600", ""])
def test_headers_of_the_sdk_are_never_parsed_strictly(api: Api, timeout: str) -> None:
    answer = api.create(x_stainless_timeout=timeout, x_stainless_retry_count=timeout, x_stainless_lang="python")
    assert answer.status == 200


def test_every_answer_names_its_request(api: Api, nobody: Api) -> None:
    answers = [api.get(), api.create(), nobody.get(), api.get("/v1/messages/nothing")]
    assert all(answer.headers["request-id"].startswith("req_") for answer in answers)
    assert len({answer.headers["request-id"] for answer in answers}) == 4


@pytest.mark.parametrize("base", ["", "/anthropic"])
def test_both_base_urls_are_the_same_portal(api: Api, base: str) -> None:
    batch_id = api.batch_id()
    assert api.get(f"{base}{BATCHES}").json["first_id"] == batch_id
    assert api.get(f"{base}{BATCHES}/{batch_id}").json == api.batch(batch_id)
    assert api.post(f"{base}{BATCHES}/{batch_id}/cancel").json["processing_status"] == "canceling"


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("/v1/messages", "http://testserver/."),
        ("/v1/messages/nothing", "http://testserver/."),
        ("/v1/v1/messages/batches", "http://testserver/."),
        ("/messages/batches", "http://testserver/."),
        ("/anthropic", "http://testserver/anthropic."),
        ("/anthropic/messages/batches", "http://testserver/anthropic."),
        ("/anthropic/v1/v1/messages/batches", "http://testserver/anthropic."),
        (f"{BATCHES}/a%2Fb", "http://testserver/."),
    ],
)
def test_a_path_that_is_not_there_names_the_base_url(nobody: Api, path: str, base: str) -> None:
    answer = nobody.get(path)
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert base in answer.error["message"]


@pytest.mark.parametrize("path", ["/v1/files", "/v1/files/x", "/v1/files/x/content", "/v1/files/", "/anthropic/v1/files"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_files_are_not_offered_and_not_taken_for_those_of_another_dialect(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert "Files are not offered" in answer.error["message"]
    assert not File.objects.exists()


def test_without_the_header_of_this_dialect_files_are_the_other_ones(api: Api) -> None:
    del api.headers["anthropic-version"]
    assert api.get("/v1/files").json["object"] == "list"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_slash_too_many_is_named_and_never_redirected(api: Api, method: str) -> None:
    answer = api.call(method, f"{BATCHES}/")
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert "slash" in answer.error["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", BATCHES, "GET, POST, HEAD, OPTIONS"),
        ("PATCH", f"{BATCHES}/x", "GET, DELETE, HEAD, OPTIONS"),
        ("GET", f"{BATCHES}/x/cancel", "POST, OPTIONS"),
        ("DELETE", f"{BATCHES}/x/results", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_there_is_refused_with_those_that_are(api: Api, method: str, path: str, allowed: str) -> None:
    answer = api.call(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert answer.error["type"] == "invalid_request_error"


def test_what_django_refuses_is_refused_in_the_dialects_words(api: Api) -> None:
    answer = api.get(BATCHES, headers={"Host": "elsewhere.example"})
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")


def test_cookies_and_tokens_against_forgery_are_not_asked_for(api: Api) -> None:
    api.client.handler.enforce_csrf_checks = True
    answer = api.create()
    assert answer.status == 200
    assert "Set-Cookie" not in answer.headers


def raising(problem: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise problem

    return fail


def test_an_error_that_nobody_foresaw_is_logged_under_the_id_that_the_client_got(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(views, "find_batch", raising(ZeroDivisionError("a secret")))
    with caplog.at_level(logging.ERROR):
        answer = api.get(f"{BATCHES}/x")
    assert (answer.status, answer.error) == (500, {"type": "api_error", "message": "Something went wrong."})
    assert any(answer.headers["request-id"] in record.getMessage() for record in caplog.records)


def test_a_database_that_cannot_be_reached_is_worth_another_try(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "find_batch", raising(OperationalError("the server closed the connection")))
    answer = api.get(f"{BATCHES}/x")
    assert (answer.status, answer.error["type"]) == (503, "overloaded_error")


def test_a_call_that_is_still_being_worked_on_may_be_repeated(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.create(idempotency_key="k")
    IdempotencyRecord.objects.update(batch=None, created_at=timezone.now())
    monkeypatch.setattr("batches.services.intake.idempotency.WAIT_SECONDS", 0.0)
    answer = api.create(idempotency_key="k")
    assert (answer.status, answer.error["type"]) == (409, "conflict_error")
    assert answer.headers["Retry-After"] == str(InProgress.retry_after)
    assert "x-should-retry" not in answer.headers
    assert Batch.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (402, "billing_error"),
        (403, "permission_error"),
        (429, "rate_limit_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_statuses_that_a_proxy_may_add_have_their_words(status: int, kind: str) -> None:
    error = type("Proxied", (PortalError,), {"status": status})("m")
    assert render_error(error, "req_1") == {
        "type": "error",
        "error": {"type": kind, "message": "m"},
        "request_id": "req_1",
    }
