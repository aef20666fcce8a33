"""S9: where BODIES_ROLE keeps bodies from somebody, it keeps from them what messages quote of bodies."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Attempt, Batch, BatchError, BatchObject, Membership, Project, Role
from batches.rules.states import BatchStatus
from batches.services.tally.error_groups import record_errors
from tests.api.conftest import Native
from tests.console.conftest import MakeBatch, SignIn
from tests.matrix import every
from tests.security.routes import paths

pytestmark = [pytest.mark.django_db, pytest.mark.once]
CANARY = "the-canary-in-the-prompt"


@pytest.fixture
def batch(make_batch: MakeBatch, settings: Settings) -> Batch:
    """A batch whose upstream quotes requests wherever it can; and one whose input was refused with quotes."""
    settings.BODIES_ROLE = "operator"
    now = timezone.now()
    made = make_batch(BatchStatus.IN_PROGRESS, succeeded=1, failed=2, pending=1)
    BatchError.objects.filter(batch=made).delete()
    common = {"batch": made, "source": "caller", "http_status": 400, "fingerprint": "v1:canary", "created_at": now}
    failed = BatchObject.objects.filter(batch=made, status="failed").order_by("line")
    errors = [
        BatchError(line=row.line, round=1, kind="invalid_request", code=CANARY, message=f"bad {CANARY}", param=CANARY, **common)
        for row in failed
    ]
    record_errors(errors, {made.pk: made})
    refused = [BatchError(line=1, round=None, code="invalid_request", message=f"bad {CANARY}", param="body", **common)]
    record_errors(refused, {made.pk: made})
    Attempt.objects.create(
        batch=made, line=2, round=1, number=1, kind="server_error", answered=True, http_status=500, code=CANARY,
        message=f"bad {CANARY}", latency_ms=1, retry_at=now + timedelta(seconds=1), created_at=now,
    )  # fmt: skip
    other = make_batch(BatchStatus.FAILED)
    BatchError.objects.filter(batch=other).update(message=f"bad {CANARY}")
    return made


def walked(fixtures: Mapping[str, object]) -> list[str]:
    found = fixtures["batch"]
    assert isinstance(found, Batch)
    other = Batch.objects.exclude(pk=found.pk).get()
    keys = (BatchError, Attempt)
    rows = [f"/admin/batches/{model._meta.model_name}/{row.pk}/change/" for model in keys for row in model.objects.all()]
    lists = [f"{path}?q={found}" for path in paths(found) if path.startswith("/admin/batches/") and path.count("/") == 4]
    searches = [
        "/console/errors/?window=30d",
        f"/console/batches/{found}/?status=failed",
        f"/console/batches/{other}/?validation=all",
    ]
    retries = [f"/console/batches/{found}/retry/?error=v1:canary"]
    return [
        *paths(found),
        f"/console/batches/{other}/",
        f"/api/v1/batches/{other}/errors",
        *rows,
        *lists,
        *searches,
        *retries,
    ]


def text_of(answer: HttpResponseBase) -> str:
    content = answer.getvalue() if answer.streaming else answer.content  # type: ignore[attr-defined]
    return bytes(content).decode(errors="replace")


@pytest.mark.long
@every("path", walked)
def test_no_page_and_no_answer_quotes_a_request_to_who_may_not_read_it(member: SignIn, batch: Batch, path: str) -> None:
    viewer = member(Role.VIEWER, is_staff=True)
    for headers in ({}, {"X-Requested-With": "fragment"}):
        assert CANARY not in text_of(viewer.get(path, headers=headers))


def test_what_failed_and_why_is_told_in_the_portals_words(member: SignIn, batch: Batch) -> None:
    viewer = member(Role.VIEWER)
    group = text_of(viewer.get("/console/errors/v1:canary/"))
    for page in (group, text_of(viewer.get("/console/errors/")), text_of(viewer.get(f"/console/batches/{batch}/"))):
        assert "The upstream refused the request as invalid." in page
        assert "The message is withheld" in page
    (error, *_) = [one for one in viewer.get(f"/api/v1/batches/{batch}/errors").json()["data"] if one["round"]]
    assert (error["code"], error["param"], error["http_status"]) == ("invalid_request", "", 400)


def test_who_may_read_bodies_reads_what_came(member: SignIn, batch: Batch) -> None:
    operator = member(Role.OPERATOR, is_staff=True)
    for path in (
        "/console/errors/", "/console/errors/v1:canary/", f"/console/batches/{batch}/", f"/api/v1/batches/{batch}/errors",
        f"/api/v1/batches/{batch}/objects", f"/api/v1/batches/{batch}/error-groups", "/api/v1/error-groups",
        "/api/v1/error-groups/v1:canary", "/api/v1/error-groups/v1:canary/objects", f"/admin/batches/batcherror/?q={batch}",
    ):  # fmt: skip
        assert CANARY in text_of(operator.get(path)), path


def test_a_key_reads_everything_of_its_project(native: Native, batch: Batch) -> None:
    assert CANARY in str(native.get(f"batches/{batch}/errors").json)


def test_words_are_not_looked_for_in_what_may_not_be_read(member: SignIn, batch: Batch) -> None:
    viewer, operator = member(Role.VIEWER), member(Role.OPERATOR)
    for path in ("/console/errors/?text=bad", "/api/v1/error-groups?text=bad"):
        assert "v1:canary" in text_of(operator.get(path))
        assert "v1:canary" not in text_of(viewer.get(path))


def test_what_may_be_read_in_one_project_stays_withheld_in_another(
    member: SignIn, make_batch: MakeBatch, batch: Batch, other_project: Project
) -> None:
    client = member(Role.VIEWER)
    Membership.objects.create(user=User.objects.get(), project=other_project, role=Role.OPERATOR)
    theirs = make_batch(BatchStatus.IN_PROGRESS, failed=1, of=other_project)
    own = BatchError(
        batch=theirs, line=1, round=1, kind="invalid_request", code="c", message="the other's words", source="caller",
        fingerprint="v1:other", created_at=timezone.now(),
    )  # fmt: skip
    record_errors([own], {theirs.pk: theirs})
    page = text_of(client.get("/console/errors/"))
    assert "the other&#x27;s words" in page
    assert CANARY not in page


def test_it_is_told_to_everybody_where_nothing_is_kept_from_anybody(member: SignIn, batch: Batch, settings: Settings) -> None:
    settings.BODIES_ROLE = "viewer"
    client: Client = member(Role.VIEWER)
    assert CANARY in text_of(client.get("/console/errors/v1:canary/"))
