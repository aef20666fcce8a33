"""Each kind of things goes when its project says so, and no other kind and no other project with it."""

from datetime import timedelta

import pytest
from django.db.models import F, Model
from django.utils import timezone
from pytest_django import Settings

from batches.models import (
    AuditEntry,
    Batch,
    BatchObject,
    BatchResult,
    Event,
    File,
    Project,
    Purpose,
    RetentionKind,
    Upload,
    UploadStatus,
)
from batches.rules.errors import Gone
from batches.services.consistency.verify import disagreements
from batches.services.core.audit import record_act
from batches.services.intake.uploads import cancel_upload, start_upload
from batches.services.results.results import results
from batches.services.retention.terms import set_terms
from batches.services.upkeep.prune import prune
from tests.cast import TESTER, started, stored
from tests.services.pruned import mixed
from tests.services.upkeep.conftest import long_ago

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

DAY = timedelta(days=1)


@pytest.fixture
def batches(project: Project, other_project: Project, settings: Settings) -> tuple[Batch, Batch]:
    """Two batches that ended 10 days ago, with files that live for long: one in each project."""
    settings.RESULT_ROWS_SECONDS = 1000 * 86400.0
    found = mixed(project, settings), mixed(other_project, settings)
    for batch in found:
        long_ago(batch, 10)
    then = timezone.now() - 10 * DAY
    Batch.objects.update(cancelled_at=F("ended_at"))
    File.objects.update(created_at=then, expires_at=then + 300 * DAY)
    return found


def keep(project: Project, kind: RetentionKind, days: int) -> None:
    set_terms(project, days={kind: days}, actor=TESTER, now=timezone.now())


def of(model: type[Model], batch: Batch) -> int:
    return model._default_manager.filter(batch=batch).count()


def stored_files(batch: Batch) -> set[str]:
    files = {"input": batch.input_file, "output": batch.output_file, "error": batch.error_file}
    return {name for name, file in files.items() if file and file.content.storage.exists(str(file.content.name))}


def test_bodies_go_from_files_and_rows_and_the_batch_stays_true(batches: tuple[Batch, Batch], project: Project) -> None:
    keep(project, RetentionKind.BODIES, 9)
    prune(now=timezone.now())
    mine, other = batches
    assert (stored_files(mine), of(BatchResult, mine)) == (set(), 0)
    assert stored_files(other) == {"input", "output", "error"}
    assert of(BatchResult, other) > 0
    assert of(BatchObject, mine) == 10
    mine.refresh_from_db()
    assert mine.archived_at is not None
    with pytest.raises(Gone):
        list(results(mine))
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []


def test_bodies_stay_until_their_day(batches: tuple[Batch, Batch], project: Project) -> None:
    keep(project, RetentionKind.BODIES, 11)
    prune(now=timezone.now())
    assert stored_files(batches[0]) == {"input", "output", "error"}
    assert of(BatchResult, batches[0]) > 0


def test_an_input_that_another_batch_needs_goes_with_the_last_of_them(
    batches: tuple[Batch, Batch], project: Project, settings: Settings
) -> None:
    keep(project, RetentionKind.BODIES, 9)
    mine = batches[0]
    running = started(project, b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}\n')
    Batch.objects.filter(pk=running.pk).update(input_file=mine.input_file)
    prune(now=timezone.now())
    assert stored_files(mine) == {"input"}


@pytest.mark.parametrize(
    ("kind", "left"), [(RetentionKind.FILES, {"output", "error"}), (RetentionKind.RESULTS, {"input"})], ids=["files", "results"]
)
def test_a_shorter_policy_is_the_life_of_the_files_that_are_there(
    batches: tuple[Batch, Batch], project: Project, kind: RetentionKind, left: set[str]
) -> None:
    keep(project, kind, 20)
    prune(now=timezone.now())
    mine, other = batches
    assert stored_files(mine) == {"input", "output", "error"}
    shortened = File.objects.filter(project=project, expires_at__lt=timezone.now() + 11 * DAY)
    assert shortened.count() == 3 - len(left), "clients see when they expire"

    prune(now=timezone.now() + 11 * DAY)

    assert stored_files(mine) == left
    assert stored_files(other) == {"input", "output", "error"}
    mine.refresh_from_db()
    assert (mine.archived_at is not None) == (kind is RetentionKind.RESULTS)
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []


def test_a_timeline_goes_and_the_batch_stays(batches: tuple[Batch, Batch], project: Project) -> None:
    keep(project, RetentionKind.EVENTS, 9)
    prune(now=timezone.now())
    assert of(Event, batches[0]) == 0
    assert of(Event, batches[1]) > 0
    assert Batch.objects.get(pk=batches[0].pk).events_pruned_at is not None
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []


def test_audit_entries_go_by_their_age(project: Project, other_project: Project, settings: Settings) -> None:
    settings.AUDIT_RETENTION_DAYS = 400
    now = timezone.now()
    keep(project, RetentionKind.AUDIT, 100)
    for days in (99, 101, 401):
        for where in (project, other_project, None):
            record_act("revoke_key", actor=TESTER, now=now - days * DAY, project=where, reason=f"{days}")
    prune(now=now)
    kept = AuditEntry.objects.filter(act="revoke_key")
    assert sorted(kept.filter(project=project).values_list("reason", flat=True)) == ["99"]
    assert sorted(kept.filter(project=other_project).values_list("reason", flat=True)) == ["101", "99"]
    assert sorted(kept.filter(project=None).values_list("reason", flat=True)) == ["101", "99"]


def test_records_of_uploads_go_when_they_are_over(project: Project) -> None:
    now = timezone.now()
    keep(project, RetentionKind.UPLOADS, 5)
    over, recent, pending = (
        start_upload(project, filename="x", mime_type="x", purpose=Purpose.USER_DATA, size=6, now=now) for _ in range(3)
    )
    cancel_upload(over, now=now)
    cancel_upload(recent, now=now)
    Upload.objects.filter(pk__in=[over.pk, pending.pk]).update(created_at=now - 6 * DAY)
    prune(now=now)
    assert {*Upload.objects.all()} == {recent, pending}
    assert Upload.objects.get(pk=pending.pk).status == UploadStatus.PENDING


def test_batches_go_when_their_own_project_says_so(batches: tuple[Batch, Batch], project: Project, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 365
    keep(project, RetentionKind.BATCHES, 9)
    prune(now=timezone.now())
    assert list(Batch.objects.all()) == [batches[1]]
    assert not BatchObject.objects.exclude(batch=batches[1]).exists()


def test_a_longer_policy_than_the_portals_keeps_batches(
    batches: tuple[Batch, Batch], project: Project, settings: Settings
) -> None:
    settings.BATCH_RETENTION_DAYS = 5
    keep(project, RetentionKind.BATCHES, 60)
    prune(now=timezone.now())
    assert list(Batch.objects.all()) == [batches[0]]


def test_an_unattached_file_of_another_purpose_follows_its_projects_policy(project: Project) -> None:
    keep(project, RetentionKind.FILES, 5)
    now = timezone.now()
    file = stored(project, b"x", now=now)
    assert file.expires_at == now + 5 * DAY
