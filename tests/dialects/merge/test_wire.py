"""The wire itself: methods and paths that do not exist, and what Django answers on its own."""

import pytest

from tests.dialects.merge.conftest import BASE, Merge, detail


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/invoices/bulk", "POST, OPTIONS"),
        ("PUT", "/invoices/bulk", "POST, OPTIONS"),
        ("DELETE", "/invoices/bulk/x", "GET, HEAD, OPTIONS"),
        ("POST", "/expenses/bulk/x", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_there_is_refused_with_those_that_are(merge: Merge, method: str, path: str, allowed: str) -> None:
    answer = merge.call(method, BASE + path)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert method in detail(answer)


@pytest.mark.parametrize("path", ["/invoices/bulk/", "/invoices/bulk/x/"])
@pytest.mark.parametrize("base", [BASE, "/accounting/v1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_slash_too_many_is_named_and_never_redirected(merge: Merge, base: str, method: str, path: str) -> None:
    answer = merge.call(method, base + path)
    assert answer.status == 404
    assert "slash" in detail(answer)


@pytest.mark.parametrize(
    "path",
    [
        "/api/accounting",
        "/api/accounting/v1/contacts/bulk",
        "/api/accounting/v1/invoices",
        "/api/accounting/v2/invoices/bulk",
        "/accounting/v1/invoices/bulk/a/b",
        "/accounting/v1/Invoices/bulk",
    ],
)
def test_a_path_that_is_not_there_names_the_base_url(merge: Merge, path: str) -> None:
    answer = merge.get(path)
    assert answer.status == 404
    assert "http://testserver/api." in detail(answer)


def test_a_body_of_unknown_length_is_refused_where_the_server_cannot_tell_its_end(merge: Merge) -> None:
    answer = merge.create({"batch_items": []}, Transfer_Encoding="chunked", Content_Length="")
    assert answer.status == 411
    assert detail(answer)


def test_a_host_that_is_not_served_is_refused_in_the_dialects_words(merge: Merge) -> None:
    answer = merge.call("POST", f"{BASE}/invoices/bulk", headers={"Host": "elsewhere.example"})
    assert answer.status == 400
    assert set(answer.json) == {"errors", "warnings"}


def test_cookies_and_tokens_against_forgery_are_not_asked_for(merge: Merge) -> None:
    merge.client.handler.enforce_csrf_checks = True
    assert merge.create_items("a").status == 202


def test_every_answer_names_its_request(merge: Merge) -> None:
    assert merge.create_items("a").headers["x-request-id"].startswith("req_")
    assert merge.create_items().headers["x-request-id"].startswith("req_")
