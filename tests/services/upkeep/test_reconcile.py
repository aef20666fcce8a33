"""What nobody was told about is found; what is told twice changes nothing."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, BatchResult, Event, File, Project, Purpose, Slice, Upload, UploadPart, Worker
from batches.rules.states import BatchStatus
from batches.services.control.cancel import cancel
from batches.services.intake.uploads import add_part, start_upload
from batches.services.lifecycle.finalize import finalize
from batches.services.lifecycle.validate import validate
from batches.services.storage.store import hide
from batches.services.upkeep.prune import prune
from batches.services.upkeep.reconcile import reconcile
from tests.cast import TESTER, assert_counts_are_true, request_lines, run_executor, started, submitted
from tests.conftest import Queue


def forgotten(queue: Queue, batch: Batch, *, status: BatchStatus) -> Batch:
    """The batch in this status, and a broker that knows nothing of it."""
    queue.clear()
    batch = Batch.objects.get(pk=batch.pk)
    assert batch.status == status
    return batch


def to_validating(queue: Queue, project: Project) -> Batch:
    return forgotten(queue, submitted(project, request_lines(3)), status=BatchStatus.VALIDATING)


def to_in_progress(queue: Queue, project: Project) -> Batch:
    return forgotten(queue, started(project, request_lines(3)), status=BatchStatus.IN_PROGRESS)


def to_all_settled(queue: Queue, project: Project) -> Batch:
    batch = to_in_progress(queue, project)
    run_executor()
    assert not batch.slices.filter(pending__gt=0).exists()
    return forgotten(queue, batch, status=BatchStatus.IN_PROGRESS)


def to_finalizing(queue: Queue, project: Project) -> Batch:
    batch = to_all_settled(queue, project)
    now = timezone.now()
    Batch.objects.filter(pk=batch.pk).update(
        status="finalizing", finalizing_at=now, lease_expires_at=now - timedelta(seconds=1), lease_epoch=4
    )
    return forgotten(queue, batch, status=BatchStatus.FINALIZING)


def to_cancelling(queue: Queue, project: Project) -> Batch:
    batch = cancel(to_in_progress(queue, project), actor=TESTER, now=timezone.now())
    return forgotten(queue, batch, status=BatchStatus.CANCELLING)


def to_overdue_running(queue: Queue, project: Project) -> Batch:
    batch = to_in_progress(queue, project)
    Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return forgotten(queue, batch, status=BatchStatus.IN_PROGRESS)


def to_overdue_validating(queue: Queue, project: Project) -> Batch:
    batch = to_validating(queue, project)
    Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return batch


FORGOTTEN = [
    (to_validating, "completed"),
    (to_in_progress, "completed"),
    (to_all_settled, "completed"),
    (to_finalizing, "completed"),
    (to_cancelling, "cancelled"),
    (to_overdue_running, "expired"),
    (to_overdue_validating, "expired"),
]


@pytest.mark.parametrize(("make", "end"), FORGOTTEN)
def test_forgotten_work_is_found(queue: Queue, project: Project, make: Callable[[Queue, Project], Batch], end: str) -> None:
    batch = make(queue, project)
    queue.run_until(lambda: Batch.objects.get(pk=batch.pk).is_terminal)
    batch.refresh_from_db()
    assert batch.status == end
    assert_counts_are_true(batch) if batch.total else None


@pytest.mark.parametrize("make", [to_validating, to_finalizing, to_in_progress])
def test_what_somebody_works_on_is_left_to_them(queue: Queue, project: Project, make: Callable[[Queue, Project], Batch]) -> None:
    batch, later = make(queue, project), timezone.now() + timedelta(seconds=5)
    Batch.objects.filter(pk=batch.pk).update(lease_expires_at=later)
    Slice.objects.filter(batch=batch).update(lease_expires_at=later)
    reconcile(now=timezone.now())
    assert queue.drain() == 0


@pytest.mark.django_db
def test_an_idle_portal_drains_its_queue(queue: Queue, project: Project) -> None:
    batch = submitted(project, request_lines(3))
    queue.drain()
    assert Batch.objects.get(pk=batch.pk).status == "completed"
    reconcile(now=timezone.now())
    assert queue.drain() == 0


def test_a_message_that_is_delivered_twice_changes_nothing(queue: Queue, project: Project) -> None:
    batch = submitted(project, request_lines(3))
    steps: list[Callable[[], None]] = [
        lambda: validate(batch.pk, now=timezone.now()),
        run_executor,
        lambda: finalize(batch.pk, now=timezone.now()),
    ]
    for step in steps:
        step()
        rows = [list(model.objects.order_by("pk").values()) for model in (BatchObject, BatchResult, Event, File, Slice)]
        step()
        again = [list(model.objects.order_by("pk").values()) for model in (BatchObject, BatchResult, Event, File, Slice)]
        assert again == rows
    assert Batch.objects.get(pk=batch.pk).status == "completed"


@pytest.mark.django_db
def test_hidden_bytes_go_when_no_open_batch_reads_them(queue: Queue, project: Project) -> None:
    batch, now = submitted(project, request_lines(2)), timezone.now()
    file = batch.input_file
    assert file is not None
    hide(file, actor=TESTER, now=now)
    prune(now=now)
    assert file.content.storage.exists(str(file.content.name))
    queue.run_until(lambda: Batch.objects.get(pk=batch.pk).is_terminal)
    prune(now=now)
    assert not file.content.storage.exists(str(file.content.name))
    file.refresh_from_db()
    assert file.purged_at == now


@pytest.mark.django_db
@pytest.mark.usefixtures("simulator")
def test_only_what_is_hidden_goes_also_while_an_open_batch_has_no_file(project: Project) -> None:
    now = timezone.now()
    kept, gone = (started(project, request_lines(1)).input_file for _ in range(2))
    assert kept is not None
    assert gone is not None
    Batch.objects.update(input_file=None)
    File.objects.filter(pk=gone.pk).update(expires_at=now)
    prune(now=now)
    assert kept.content.storage.exists(str(kept.content.name))
    assert not gone.content.storage.exists(str(gone.content.name))


@pytest.mark.django_db
def test_uploads_that_were_never_finished_go_with_their_parts(project: Project) -> None:
    now = timezone.now()
    old, young = (
        start_upload(project, filename="a", mime_type="text/plain", purpose=Purpose.BATCH, size=9, now=begun)
        for begun in (now - timedelta(hours=2), now)
    )
    part = add_part(old, ContentFile(b"abc"), now=now - timedelta(hours=2))
    prune(now=now)
    assert dict(Upload.objects.values_list("pk", "status")) == {old.pk: "expired", young.pk: "pending"}
    assert not UploadPart.objects.exists()
    assert not part.content.storage.exists(str(part.content.name))


@pytest.mark.django_db
def test_left_over_spool_files_and_dead_workers_go(tmp_path: Path, settings: Settings) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    settings.FILE_UPLOAD_TEMP_DIR = folder
    old, young = folder / "old", folder / "young"
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    now = timezone.now()
    for name, seen_at in (("dead", now - timedelta(hours=2)), ("quiet", now - timedelta(minutes=5))):
        Worker.objects.create(role="control", name=name, started_at=seen_at, seen_at=seen_at)
    prune(now=now)
    assert list(folder.iterdir()) == [young]
    assert [worker.name for worker in Worker.objects.all()] == ["quiet"]
