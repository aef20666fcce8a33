"""Who may see and do what, and that every refusal is an error of this API."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from batches.models import Batch, Project
from batches.states import BatchStatus
from tests.api.conftest import Native, problem
from tests.console.conftest import MakeBatch

OF_A_BATCH = ["", "/objects", "/objects/1", "/results", "/errors", "/error-groups", "/events"]
WRITING = [("POST", "batches"), ("POST", "batches/x/cancel"), ("POST", "files"), ("DELETE", "files/x")]
READING = [("GET", path) for path in ("batches", "files", "providers", "batches/x", "files/x", "files/x/content", "providers/x")]


@pytest.mark.parametrize(("method", "path"), READING + WRITING + [("GET", f"batches/x{path}") for path in OF_A_BATCH])
def test_nothing_is_shown_to_nobody(nobody: Native, method: str, path: str) -> None:
    answer = nobody.call(method, path)
    assert (answer.status, problem(answer)["code"]) == (401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("credential", ["Bearer by_wrong", "Bearer ", "Basic abc", "Bearer é", "x"])
def test_a_wrong_key_is_refused(nobody: Native, credential: str) -> None:
    assert nobody.get("batches", headers={"Authorization": credential}).status == 401


def test_a_key_sees_nothing_of_another_project(native: Native, stranger: Native, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1, succeeded=1)
    for path in OF_A_BATCH:
        assert native.get(f"batches/{batch}{path}").status == 200
        answer = stranger.get(f"batches/{batch}{path}")
        assert answer.status == 404
        assert answer.json["error"]["message"] == f"There is no batch with the id '{batch}'."
    assert stranger.post(f"batches/{batch}/cancel").status == 404
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert stranger.call(method, f"files/{batch.input_file}{path}").status == 404
    assert stranger.get("batches").json["data"] == stranger.get("files").json["data"] == []
    assert Batch.objects.get().status == BatchStatus.IN_PROGRESS


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("view_batch", "GET", "batches"),
        ("view_batch", "GET", "batches/{batch}"),
        *(("view_batch", "GET", "batches/{batch}" + path) for path in OF_A_BATCH),
        ("cancel_batch", "POST", "batches/{batch}/cancel"),
        ("add_batch", "POST", "batches"),
        ("view_file", "GET", "files"),
        ("view_file", "GET", "files/{file}"),
        ("view_file", "GET", "files/{file}/content"),
        ("delete_file", "DELETE", "files/{file}"),
        ("view_provider", "GET", "providers"),
        ("view_provider", "GET", "providers/simulator"),
    ],
)
def test_somebody_signed_in_does_what_their_permissions_allow(
    signed_in: Callable[..., Native], make_batch: MakeBatch, permission: str, method: str, path: str
) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1, succeeded=1)
    path = path.format(batch=batch, file=batch.input_file)
    body = (
        b'{"endpoint": "/v1/messages", "requests": [{"custom_id": "a", "body": {}}], "project": "acme"}'
        if path == "batches"
        else b""
    )
    options = {"data": body, "content_type": "application/json"} if method != "GET" else {}
    refused = signed_in("view_session").call(method, path, **options)
    assert (refused.status, problem(refused)["code"]) == (403, "permission_denied")
    assert permission in refused.json["error"]["message"]
    assert signed_in(permission).call(method, path, **options).status in (200, 201, 204)


def test_somebody_signed_in_uploads_into_a_project(signed_in: Callable[..., Native], project: Project) -> None:
    assert problem(signed_in("view_file").upload())["code"] == "permission_denied"
    person = signed_in("add_file")
    assert problem(person.upload())["param"] == "project"
    assert person.upload(project="acme").json["project"] == "acme"


def test_a_session_without_its_csrf_token_writes_nothing(signed_in: Callable[..., Native], project: Project) -> None:
    person = signed_in("view_batch", "add_batch", "add_file")
    del person.headers["X-CSRFToken"]
    for answer in (person.create(project="acme"), person.upload(project="acme")):
        assert answer.status == 403
        assert "CSRF" in problem(answer)["message"]
    assert person.get("batches").status == 200
    assert not Batch.objects.exists()


def test_a_session_of_somebody_who_may_not_sign_in_any_more_is_none(signed_in: Callable[..., Native]) -> None:
    person = signed_in("view_batch")
    User.objects.update(is_active=False)
    assert person.get("batches").status == 401


def test_a_key_needs_no_csrf_token_and_goes_before_a_session(native: Native, operator: User) -> None:
    native.client.force_login(operator)
    assert native.create().json["created_by"] == "key tests"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "nothing", 404, "unknown_url"),
        ("GET", "batches/", 404, "unknown_url"),
        ("GET", "/api", 404, "unknown_url"),
        ("GET", "/api/v2/batches", 404, "unknown_url"),
        ("PUT", "batches", 405, "method_not_allowed"),
        ("DELETE", "batches/x", 405, "method_not_allowed"),
        ("PATCH", "files", 405, "method_not_allowed"),
    ],
)
def test_an_address_or_method_that_is_not_there_is_an_error_of_this_api(
    native: Native, method: str, path: str, status: int, code: str
) -> None:
    answer = native.call(method, path)
    assert (answer.status, problem(answer)["code"]) == (status, code)
    if status == 405:
        assert answer.headers["Allow"]


def test_what_middleware_refuses_is_an_error_of_this_api(native: Native, settings: Settings) -> None:
    answer = native.get("batches", headers={"Host": "elsewhere.example"})
    assert answer.status == 400
    problem(answer)


def test_a_body_of_unknown_length_is_refused(native: Native) -> None:
    answer = native.call("POST", "batches", headers={"Transfer-Encoding": "chunked"})
    assert (answer.status, problem(answer)["code"]) == (411, "length_required")


def test_options_names_the_methods(native: Native) -> None:
    assert native.call("OPTIONS", "batches").json == {"allow": ["GET", "POST", "HEAD", "OPTIONS"]}
