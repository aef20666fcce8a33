"""A batch cloned: the form is filled in like its original."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from batches.models import Batch, Dialect, File, Project, Role
from batches.rules.states import BatchStatus
from batches.services.storage.store import hide
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, SignIn

NEW = "/console/batches/new/"


@pytest.fixture
def original(make_batch: MakeBatch) -> Batch:
    batch = make_batch(BatchStatus.COMPLETED, succeeded=2, remark="Nightly", metadata={"team": "search", "üß": "a=b&c"})
    Batch.objects.update(priority=7, max_error_rate=0.25, error_sample=10, max_cost=Decimal("2.500000"), completion_window="48h")
    batch.refresh_from_db()
    return batch


def cloned(client: Client, page: Any) -> Batch:
    """Send the form as it is filled in, and start."""
    form, data = page.context["form"], QueryDict(mutable=True)
    for field in form:
        if field.name != "file" and field.value() is not None:
            data[field.name] = str(field.value())
    for key, value in form.metadata_rows:
        data.appendlist("metadata_key", key)
        data.appendlist("metadata_value", value)
    data["input_file"] = str(form.kept)
    report = client.post(NEW, data.urlencode(), content_type="application/x-www-form-urlencoded").headers["Location"]
    client.post(report)
    return Batch.objects.order_by("-created_at")[0]


def test_a_clone_is_like_its_original(console: Client, original: Batch) -> None:
    page = console.get(f"{NEW}?from={original}")
    assert "A batch like this one" in page.content.decode()
    clone = cloned(console, page)
    assert clone.pk != original.pk
    for name in ("input_file", "endpoint", "provider", "metadata", "priority", "remark", "completion_window"):
        assert getattr(clone, name) == getattr(original, name)
    for name in ("max_error_rate", "error_sample", "max_cost", "max_tokens"):
        assert getattr(clone, name) == getattr(original, name)
    assert clone.expires_at - clone.created_at == timedelta(hours=48)
    assert clone.parent is None
    assert clone.dialect == Dialect.OPENAI


@pytest.mark.parametrize("how", ["deleted", "expired", "purged"])
def test_an_input_that_is_no_longer_kept_has_to_be_chosen_again(console: Client, original: Batch, how: str) -> None:
    assert original.input_file is not None
    if how == "deleted":
        hide(original.input_file, actor=TESTER, now=timezone.now())
    else:
        File.objects.update(**{{"expired": "expires_at", "purged": "purged_at"}[how]: timezone.now()})
    page = console.get(f"{NEW}?from={original}")
    assert "no longer keeps the input file of that batch" in page.content.decode()
    assert page.context["form"].kept is None


def test_a_clone_is_offered_to_who_may_start_it(member: SignIn, original: Batch) -> None:
    link = f'href="/console/batches/new/?from={original}"'
    assert link in member(Role.OPERATOR).get(f"/console/batches/{original}/").content.decode()
    viewer = member(Role.VIEWER)
    assert link not in viewer.get(f"/console/batches/{original}/").content.decode()
    assert viewer.get(f"{NEW}?from={original}").status_code == 403


@pytest.mark.parametrize("asked", ["", "nonsense", "\x00", "batch_" + "0" * 32])
def test_there_is_no_clone_of_what_does_not_exist(console: Client, project: Project, asked: str) -> None:
    assert console.get(NEW, {"from": asked}).status_code == 404


def test_there_is_no_clone_of_a_foreign_batch(member: SignIn, original: Batch, other_project: Project) -> None:
    assert member(Role.ADMIN, of=other_project).get(f"{NEW}?from={original}").status_code == 404
