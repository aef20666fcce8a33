"""What a key may do: the one table of scopes over every route of every dialect and of the native API."""

import re
from collections.abc import Iterable
from typing import Any

import pytest

from batches.api.urls import urlpatterns as native_urls
from batches.http.scopes import NEEDS, Need, need_of, row_of
from batches.models import ApiKey, Batch, BatchErrorGroup, Event, File, Project, Scope, Upload
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.api.conftest import Native, problem
from tests.api.test_access import BODIES, GROUP
from tests.console.conftest import MakeBatch
from tests.console.named_rows import erasure_of, hold_of, job_of
from tests.dialects.conformance import FACES, Face
from tests.dialects.routes import EVERY_CALL, ROUTES, Route
from tests.dialects.test_routes import call, every_call, things
from tests.matrix import every
from tests.webhooks import delivery_of, endpoint_of

NATIVE = [
    (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"api/{pattern.pattern}"), method.upper())
    for pattern in native_urls
    if hasattr(pattern.callback, "actions")
    for method in pattern.callback.actions
]


def key_with(project: Project, scopes: Iterable[Scope]) -> str:
    return ApiKey.issue(project=project, name="scoped", scopes=[scope.value for scope in scopes])[1]


def needed(path: str, method: str) -> Need:
    need = need_of(path, method)
    assert need is not None, f"{method} {path} is in no row of batches/http/scopes.py"
    return need


# --- The table -------------------------------------------------------------------------------------------------


def test_every_call_is_in_a_row_and_every_row_is_of_a_call() -> None:
    calls = [*((route.path, method) for route, method in EVERY_CALL), *NATIVE]
    assert len(NATIVE) > 30
    assert {(row_of(path), method) for path, method in calls} == {(row, method) for row in NEEDS for method in NEEDS[row]}
    for path, method in calls:
        needed(path, method)


@pytest.mark.parametrize(
    ("route", "row"),
    [
        ("v1/files/<str:file_id>/content", "files/*/content"),
        ("openai/v1/batches", "batches"),
        ("openai/batches/<str:batch_id>", "batches/*"),
        ("groq/openai/v1/models/<path:model>", "models/*"),
        ("anthropic/v1/messages/batches", "messages/batches"),
        ("api/accounting/v1/invoices/bulk/<str:batch_id>", "invoices/bulk/*"),
        ("/api/v1/batches/{batch_id}/objects/{line}", "batches/*/objects/*"),
    ],
)
def test_a_route_is_found_behind_any_base_url(route: str, row: str) -> None:
    assert row_of(route) == row


def test_what_is_in_no_row_is_nobodys() -> None:
    assert need_of("v1/secrets", "GET") is None
    assert need_of("v1/batches", "DELETE") is None


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        (Scope.READ, ("GET", "batches/*/results")),
        (Scope.SUBMIT, ("POST", "files")),
        (Scope.SUBMIT, ("POST", "uploads/*/cancel")),
        (Scope.OPERATE, ("POST", "batches/*/cancel")),
        (Scope.OPERATE, ("DELETE", "files/*")),
        (Scope.OPERATE, ("POST", "batches/*/retry")),
        (Scope.OPERATE, ("GET", "webhook_endpoints")),
        (Scope.READ, ("GET", "retention")),
        (Scope.OPERATE, ("PATCH", "retention")),
        (Scope.OPERATE, ("POST", "legal_holds/*/release")),
        (Scope.OPERATE, ("POST", "erasures")),
    ],
)
def test_reading_submitting_and_operating_are_told_apart(scope: Scope, may: tuple[str, str]) -> None:
    method, row = may
    assert NEEDS[row][method].scope is scope


# --- Every dialect ---------------------------------------------------------------------------------------------


@pytest.fixture
def face(dialect: str, project: Project, simulator: Provider) -> Face:
    """A client of `project` in the dialect; each test gives it a key."""
    return FACES[dialect](None)


@every_call
def test_a_key_does_what_its_scope_allows_and_nothing_else(route: Route, method: str, face: Face, project: Project) -> None:
    need, path = needed(route.path, method), things(project, endpoint=route.endpoint).path(route)
    others = [scope for scope in Scope if scope is not need.scope]
    refused = call(type(face)(key_with(project, others)), method, path, b"{}")
    assert refused.status == 403
    assert f"lacks the scope '{need.scope}'" in face.problem(refused)
    assert (Batch.objects.count(), File.objects.count(), Upload.objects.get().status) == (1, 1, "pending")
    assert Event.objects.count() == 1
    allowed = call(type(face)(key_with(project, [need.scope])), method, path, b"{}")
    assert allowed.status not in (401, 403, 405)


@every("route", lambda made: [route for route in ROUTES if FACES[route.dialect] is type(made["face"]) and "GET" in route.methods])
@pytest.mark.parametrize("dialect", sorted(FACES))
def test_head_needs_what_get_needs_and_options_nothing(route: Route, face: Face, project: Project) -> None:
    path = things(project, endpoint=route.endpoint).path(route) + face.query
    needs = needed(route.path, "GET").scope
    blind = type(face)(key_with(project, [scope for scope in Scope if scope is not needs]))
    assert blind.call("HEAD", path).status == 403
    assert blind.call("OPTIONS", path).status == 200
    assert type(face)(key_with(project, [needs])).call("HEAD", path).status == 200 or route.path.endswith("results")


# --- The native API --------------------------------------------------------------------------------------------


@pytest.fixture
def batch(project: Project, simulator: Provider) -> Batch:
    return MakeBatch(project, simulator)(BatchStatus.IN_PROGRESS, pending=1, succeeded=1, failed=1)


@every("path, method", NATIVE, ids=str)
def test_a_key_of_the_native_api_does_what_its_scope_allows(path: str, method: str, batch: Batch, project: Project) -> None:
    need = needed(path, method)
    names: dict[str, Any] = {"batch_id": batch, "file_id": batch.input_file, "line": 1, "fingerprint": GROUP, "name": "simulator"}
    names |= {"endpoint_id": endpoint_of(project), "delivery_id": delivery_of(batch).pk}
    names |= {"hold_id": hold_of(batch).pk, "erasure_id": erasure_of(batch)}
    address = "/" + path.format(**names, job_id=job_of(batch).pk)
    body: dict[str, Any] = {}
    if method != "GET":
        body = {"data": BODIES.get((method, path.removeprefix("api/v1/")), b"{}"), "content_type": "application/json"}
    refused = Native(key_with(project, [scope for scope in Scope if scope is not need.scope])).call(method, address, **body)
    assert (refused.status, problem(refused)["code"]) == (403, "insufficient_scope")
    assert f"'{need.scope}'" in problem(refused)["message"]
    allowed = Native(key_with(project, [need.scope])).call(method, address, **body)
    if allowed.status == 403:
        assert problem(allowed)["code"] == "permission_denied", "it is for administrators of the portal"
        assert "providers" in path
    assert BatchErrorGroup.objects.exists()


def test_the_document_says_which_scope_a_call_needs(nobody: Native) -> None:
    paths = nobody.get("/api/schema").json["paths"]
    said = paths["/api/v1/batches/{batch_id}/cancel"]["post"]["responses"]["403"]["description"]
    assert said.endswith("An API key needs the scope `operate`.")


@pytest.fixture
def nobody(db: None) -> Native:
    return Native()
