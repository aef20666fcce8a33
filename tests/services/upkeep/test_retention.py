"""Letting go: of rows whose answers are in files, of old batches with all that is theirs, of old counts."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import Model
from django.utils import timezone
from pytest_django import Settings

from batches.models import (
    AuditEntry,
    Batch,
    BatchErrorGroup,
    BatchMinute,
    BatchObject,
    BatchResult,
    ErrorGroup,
    ErrorGroupHour,
    File,
    Project,
    ProviderJob,
)
from batches.rules.execution import JobState
from batches.rules.states import BatchStatus
from batches.services.core.audit import record_act
from batches.services.results.results import results
from batches.services.upkeep import retention
from batches.services.upkeep.old_batches import remove_old_batches
from batches.services.upkeep.prune import prune
from batches.services.upkeep.retention import RETENTION, prune_results
from tests.cast import TESTER, request_lines, started
from tests.services.pruned import mixed
from tests.services.upkeep.conftest import long_ago

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def belongings() -> dict[str, int]:
    """How many rows there are that belong to some batch, by table."""
    parts = [relation.related_model for relation in Batch._meta.related_objects]
    counts = {part._meta.model_name or "": part._default_manager.filter(**_of_a_batch(part)).count() for part in parts}
    return {name: count for name, count in counts.items() if count}


def _of_a_batch(part: type[Model]) -> dict[str, bool]:
    column = next(field.name for field in part._meta.fields if field.related_model is Batch)
    return {f"{column}__isnull": False}


def test_result_rows_stay_for_a_while_after_the_end(batch: Batch) -> None:
    assert prune_results(now=timezone.now()) == 0
    assert BatchResult.objects.exists()


def test_result_rows_go_and_the_same_is_read_from_the_files(batch: Batch) -> None:
    before = list(results(batch))
    now = timezone.now() + 2 * DAY
    assert prune_results(now=now) == 1
    assert not BatchResult.objects.exists()
    batch.refresh_from_db()
    assert batch.results_pruned_at == now
    assert list(results(batch)) == before
    assert prune_results(now=now) == 0


def test_a_batch_that_runs_keeps_its_rows(project: Project) -> None:
    running = started(project, request_lines(1))
    now = timezone.now()
    BatchResult.objects.create(batch=running, line=1, round=1, status="succeeded", attempts=1, created_at=now)
    assert prune_results(now=now + 100 * DAY) == 0
    assert BatchResult.objects.count() == 1


def test_one_run_takes_so_many_batches_and_the_next_goes_on(
    project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCHES_AT_ONCE", 2)
    for _ in range(3):
        mixed(project, settings)
    assert [prune_results(now=timezone.now() + 2 * DAY) for _ in range(3)] == [2, 1, 0]


def test_batches_are_kept_unless_a_retention_is_set(batch: Batch) -> None:
    long_ago(batch, 1000)
    assert remove_old_batches(now=timezone.now()) == 0
    assert Batch.objects.count() == 1


@pytest.mark.parametrize(("days", "left"), [(29, 1), (31, 0)])
def test_an_old_batch_goes_with_all_that_is_its_own(batch: Batch, settings: Settings, days: int, left: int) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    assert {"batchobject", "batchresult", "batcherror", "batcherrorgroup", "batchminute", "slice", "event"} <= set(belongings())
    assert batch.output_file is not None
    assert batch.error_file is not None
    storage, names = batch.output_file.content.storage, [batch.output_file.content.name, batch.error_file.content.name]
    long_ago(batch, days)

    assert remove_old_batches(now=timezone.now()) == 1 - left

    assert Batch.objects.count() == left
    assert bool(belongings()) == bool(left)
    assert all(storage.exists(str(name)) == bool(left) for name in names)
    assert File.objects.filter(purpose="batch_output").count() == 2 * left


def test_an_old_batch_that_runs_stays(project: Project, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 1
    running = started(project, request_lines(1))
    Batch.objects.filter(pk=running.pk).update(created_at=timezone.now() - 9 * DAY)
    assert remove_old_batches(now=timezone.now()) == 0
    assert BatchObject.objects.count() == 1


def test_a_batch_stays_as_long_as_one_that_retries_it(batch: Batch, project: Project, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    child = mixed(project, settings)
    Batch.objects.filter(pk=child.pk).update(parent=batch)
    long_ago(batch, 40)
    assert remove_old_batches(now=timezone.now()) == 0
    long_ago(child, 35)
    assert [remove_old_batches(now=timezone.now()) for _ in range(3)] == [1, 1, 0]
    assert not Batch.objects.exists()


def test_an_input_that_its_client_may_use_again_stays_until_it_is_purged(batch: Batch, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    long_ago(batch, 31)
    remove_old_batches(now=timezone.now())
    kept = File.objects.get()
    assert kept.pk == batch.input_file_id
    File.objects.update(purged_at=timezone.now() - 31 * DAY)
    remove_old_batches(now=timezone.now())
    assert not File.objects.exists()


def test_a_hidden_input_goes_with_its_batch_but_not_while_another_batch_has_it(
    batch: Batch, project: Project, settings: Settings
) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    long_ago(batch, 31)
    assert batch.input_file is not None
    own = File.objects.filter(pk=batch.input_file.pk)
    own.update(deleted_at=timezone.now())
    other = started(project, request_lines(1))
    Batch.objects.filter(pk=other.pk).update(input_file=batch.input_file_id)
    remove_old_batches(now=timezone.now())
    assert own.exists()


def test_a_purged_file_that_a_batch_names_stays(batch: Batch, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    File.objects.update(purged_at=timezone.now() - 40 * DAY)
    remove_old_batches(now=timezone.now())
    assert File.objects.count() == 3


def test_old_counts_go_and_new_ones_stay(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    group = ErrorGroup.objects.all()[0]
    for days in (29, 31, 32, 33):
        BatchMinute.objects.create(batch=batch, minute=now - timedelta(days=days))
    for days in (89, 91):
        ErrorGroupHour.objects.create(group=group, hour=now - timedelta(days=days), count=1)
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    minutes: Callable[[], int] = lambda: BatchMinute.objects.filter(minute__lt=now - DAY).count()  # noqa: E731
    for step in RETENTION:
        step(now=now)
    assert minutes() == 2
    for step in RETENTION:
        step(now=now)
    assert minutes() == 1
    assert ErrorGroupHour.objects.filter(hour__lt=now - DAY).count() == 1
    assert BatchErrorGroup.objects.exists()


def test_the_beat_lets_go_and_never_of_the_audit(batch: Batch, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    long_ago(batch, 31)
    entry = record_act("revoke_key", actor=TESTER, now=timezone.now() - 1000 * DAY, target=batch, project=batch.project)
    prune(now=timezone.now())
    assert not Batch.objects.exists()
    assert AuditEntry.objects.get() == entry


def test_a_batch_that_was_never_laid_out_goes_too(project: Project, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    refused = started(project, b"no line\n")
    assert refused.status == BatchStatus.FAILED
    long_ago(refused, 31)
    assert remove_old_batches(now=timezone.now()) == 1
    assert belongings() == {}


def test_an_old_batch_stays_while_a_job_of_it_is_open_or_has_files_at_its_provider(batch: Batch, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    long_ago(batch, 31)
    now = timezone.now()
    job = ProviderJob.objects.create(
        batch=batch,
        provider=batch.provider,
        state=JobState.COLLECTING,
        marker="by0",
        first_line=1,
        last_line=2,
        created_at=now,
        updated_at=now,
        sent_at=now,
        poll_at=None,
    )
    assert remove_old_batches(now=now) == 0

    ProviderJob.objects.filter(pk=job.pk).update(state=JobState.ENDED, poll_at=now)
    assert remove_old_batches(now=now) == 0

    ProviderJob.objects.filter(pk=job.pk).update(poll_at=None, removed_at=now)
    assert remove_old_batches(now=now) == 1
    assert not ProviderJob.objects.exists()
