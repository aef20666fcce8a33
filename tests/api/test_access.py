"""The rights of each kind of caller for each call. Every refusal is an error of this API."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.contrib.auth.models import User
from pytest_django import Settings

from batches.api.urls import urlpatterns
from batches.models import AuditEntry, Batch, Project, ProviderGrant, Role
from batches.rules.states import BatchStatus
from batches.services.core.access import Right, least_role
from providers.models import Provider
from tests.api.conftest import Native, problem
from tests.console.conftest import MakeBatch
from tests.console.named_rows import erasure_of, hold_of, job_of
from tests.dialects.openai.conftest import Answer
from tests.matrix import every
from tests.webhooks import delivery_of, endpoint_of

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


def test_known_callers_are_told_the_version_of_the_portal_and_strangers_are_not(native: Native, nobody: Native) -> None:
    for path in ("batches", "batches/unknown"):
        assert native.get(path).headers["x-batchyard-version"] == portal_settings.VERSION
        assert "x-batchyard-version" not in nobody.get(path).headers


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


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the native API: its path with placeholders such as `{batch_id}`, its method, and the right that it needs."""

    path: str
    method: str
    right: Right

    def call(self, caller: Native, batch: Batch) -> Answer:
        values: dict[str, Any] = {
            "batch_id": batch,
            "line": 1,
            "file_id": batch.input_file,
            "name": "simulator",
            "fingerprint": GROUP,
        }
        values |= {"job_id": job_of(batch).pk, "endpoint_id": endpoint_of(batch.project), "delivery_id": delivery_of(batch).pk}
        values |= {"hold_id": hold_of(batch).pk, "erasure_id": erasure_of(batch)}
        body: dict[str, Any] = {}
        if self.method != "GET":
            body = {"data": BODIES.get((self.method, self.path), b""), "content_type": "application/json"}
        if self.path == "files" and self.method == "POST":
            return caller.upload(project="acme")
        query = "?project=acme" if self.path in ("quotas", "retention", "disk_use") else ""
        return caller.call(self.method, self.path.format(**values) + query, **body)


def routes() -> list[Route]:
    """Every call, from the portal's own URLs. A call without a right fails here."""
    found = []
    for pattern in urlpatterns:
        view = getattr(pattern.callback, "cls", None)
        if view is None:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern)).removeprefix("v1/")
        for method, action in pattern.callback.actions.items():  # type: ignore[attr-defined]
            found.append(Route(path, method.upper(), view.requires[action]))
    return found


# Calls that need a right in the whole portal; tests/api/calls/test_providers.py tests them.
PORTALS_OWN = {"providers/{name}/check", "providers/{name}/resume"}
ROUTES = [route for route in routes() if route.path not in PORTALS_OWN]
GROUP = "v1:same"
BODIES = {
    ("POST", "batches"): b'{"endpoint": "/v1/messages", "requests": [{"custom_id": "a", "body": {}}], "project": "acme"}',
    ("PATCH", "batches/{batch_id}"): b'{"guards": {}}',
    ("POST", "error-groups/{fingerprint}/note"): b'{"note": "Known."}',
    ("PATCH", "retention"): b'{"bodies": 30}',
    ("POST", "legal_holds"): b'{"reason": "A lawsuit.", "project": "acme"}',
    ("POST", "legal_holds/{hold_id}/release"): b'{"reason": "It is settled."}',
    ("POST", "erasures"): b'{"custom_id": "nobody", "reason": "A letter.", "project": "acme"}',
    ("POST", "webhook_endpoints"): b'{"url": "https://receiver.example/hooks", "project": "acme"}',
}


@pytest.fixture
def grouped(make_batch: MakeBatch) -> Batch:
    """A batch that has a row for every placeholder of a path."""
    return make_batch(BatchStatus.IN_PROGRESS, pending=1, succeeded=1, failed=1)


def label(value: object) -> str:
    return f"{value.method} {value.path}" if isinstance(value, Route) else str(value)


@every("role, route", [(role, route) for role in Role for route in ROUTES], ids=label)
def test_somebody_signed_in_does_what_their_role_suffices_for(
    signed_in: Callable[..., Native], grouped: Batch, route: Route, role: Role
) -> None:
    answer = route.call(signed_in(role), grouped)
    if list(Role).index(role) >= list(Role).index(least_role(route.right)):
        assert answer.status not in (401, 403, 404)
        assert not AuditEntry.objects.filter(outcome="refused").exists()
    else:
        assert (answer.status, problem(answer)["code"]) == (403, "permission_denied")
        assert least_role(route.right) in answer.json["error"]["message"]
        refused = AuditEntry.objects.get()
        assert (refused.outcome, refused.actor, refused.source) == ("refused", f"user {role} of acme", "api")


@every("route", ROUTES, ids=label)
def test_nobody_sees_anything_of_a_foreign_project(
    signed_in: Callable[..., Native], stranger: Native, grouped: Batch, other_project: Project, route: Route
) -> None:
    batch = grouped
    for other in (signed_in(Role.ADMIN, of=other_project), signed_in(None), stranger):
        answer = route.call(other, batch)
        if {"{batch_id}", "{file_id}", "{fingerprint}", "{endpoint_id}", "{hold_id}", "{erasure_id}"} & set(
            re.findall(r"\{\w+\}", route.path)
        ):
            assert (answer.status, problem(answer)["code"]) == (404, "not_found")
        elif route.method == "GET":
            assert str(batch) not in answer.content.decode()
            assert str(batch.input_file) not in answer.content.decode()
        else:
            assert answer.status in (400, 403)
    batch.refresh_from_db()
    assert batch.status == BatchStatus.IN_PROGRESS


def test_a_provider_of_other_projects_is_unknown(
    signed_in: Callable[..., Native], project: Project, other_project: Project
) -> None:
    provider = Provider.objects.create(name="theirs", adapter="simulator", granted_to_all=False)
    ProviderGrant.objects.create(project=other_project, provider=provider)
    assert signed_in(Role.ADMIN).get("providers/theirs").status == 404
    assert signed_in(Role.VIEWER, of=other_project).get("providers/theirs").status == 200


def test_somebody_signed_in_uploads_into_a_project(signed_in: Callable[..., Native], project: Project) -> None:
    assert problem(signed_in(Role.VIEWER).upload(project="acme"))["code"] == "permission_denied"
    person = signed_in(Role.OPERATOR)
    assert problem(person.upload())["param"] == "project"
    assert person.upload(project="acme").json["project"] == "acme"


def test_who_reads_bodies_is_on_record_where_that_is_wanted(
    signed_in: Callable[..., Native], make_batch: MakeBatch, settings: Settings
) -> None:
    settings.AUDIT_BODY_VIEWS = True
    batch, viewer = make_batch(succeeded=1), signed_in(Role.VIEWER)
    viewer.get(f"batches/{batch}")
    viewer.get(f"batches/{batch}/results")
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.target, entry.project) == ("results_of_batch", str(batch), batch.project)


def test_a_session_without_its_csrf_token_writes_nothing(signed_in: Callable[..., Native], project: Project) -> None:
    person = signed_in(Role.ADMIN)
    del person.headers["X-CSRFToken"]
    for answer in (person.create(project="acme"), person.upload(project="acme")):
        assert answer.status == 403
        assert "CSRF" in problem(answer)["message"]
    assert person.get("batches").status == 200
    assert not Batch.objects.exists()


def test_a_session_of_somebody_who_may_not_sign_in_any_more_is_none(signed_in: Callable[..., Native]) -> None:
    person = signed_in(Role.VIEWER)
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


def test_a_body_of_unknown_length_is_refused_where_the_server_cannot_tell_its_end(native: Native) -> None:
    answer = native.call("POST", "batches", headers={"Transfer-Encoding": "chunked"})
    assert (answer.status, problem(answer)["code"]) == (411, "length_required")


def test_options_names_the_methods(native: Native) -> None:
    assert native.call("OPTIONS", "batches").json == {"allow": ["GET", "POST", "HEAD", "OPTIONS"]}
