"""Keeping bytes: what is not kept whole leaves nothing behind, and what is known is never taken away."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import OperationalError, connection
from django.utils import timezone

from batches.models import Batch, File, Project, Purpose, UploadPart
from batches.services.intake.uploads import add_part, start_upload
from batches.services.lifecycle.validate import validate
from batches.services.storage.store import store
from tests.cast import ended, error_lines, output_lines, request_lines, run_executor, started, submitted
from tests.full_disk import FullDisk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("simulator")]


@pytest.fixture
def disk(media_root: Path, monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    """The file storage; it has room for whatever comes until its `room` is set."""
    disk = FullDisk(location=media_root)
    for model in (File, UploadPart):
        monkeypatch.setattr(model._meta.get_field("content"), "storage", disk)
    return disk


def kept(media_root: Path) -> set[Path]:
    return {path for path in media_root.rglob("*") if path.is_file()}


def test_a_file_that_a_full_disk_takes_only_in_part_leaves_nothing(project: Project, disk: FullDisk, media_root: Path) -> None:
    disk.room = 1000
    with pytest.raises(OSError, match="No space left"):
        store(ContentFile(b"x" * 5000), project=project, purpose=Purpose.BATCH, filename="jobs.jsonl", now=timezone.now())
    assert kept(media_root) == set()
    assert not File.objects.exists()


def test_a_part_that_a_full_disk_takes_only_in_part_leaves_nothing(project: Project, disk: FullDisk, media_root: Path) -> None:
    now = timezone.now()
    upload = start_upload(project, filename="a", mime_type="text/plain", purpose=Purpose.BATCH, size=5000, now=now)
    disk.room = 1000
    with pytest.raises(OSError, match="No space left"):
        add_part(upload, ContentFile(b"x" * 5000), now=now)
    assert kept(media_root) == set()
    assert not UploadPart.objects.exists()


def test_result_files_that_a_full_disk_takes_only_in_part_are_written_when_there_is_room(
    project: Project, disk: FullDisk, media_root: Path
) -> None:
    batch = started(project, request_lines(20), provider_name="simulator")
    run_executor()
    before = kept(media_root)
    disk.room = 500
    with pytest.raises(OSError, match="No space left"):
        ended(batch)
    assert kept(media_root) == before
    assert not File.objects.filter(purpose=Purpose.BATCH_OUTPUT).exists()
    disk.room = None
    Batch.objects.filter(pk=batch.pk).update(lease_expires_at=timezone.now())
    batch = ended(batch)
    assert (batch.status, len(output_lines(batch) + error_lines(batch))) == ("completed", 20)


def test_what_failed_is_not_tried_again_every_second(project: Project, disk: FullDisk) -> None:
    batch = submitted(project, request_lines(2))
    name = str(batch.input_file and batch.input_file.content.name)
    hidden = disk.path(name) + ".away"
    Path(disk.path(name)).rename(hidden)
    Path(disk.path(name)).mkdir()  # anything but a missing file
    now = timezone.now()
    validate(batch.pk, now=now)
    batch.refresh_from_db()
    assert batch.put_off_reason
    Path(disk.path(name)).rmdir()
    Path(hidden).rename(disk.path(name))
    validate(batch.pk, now=now + timedelta(seconds=1))
    batch.refresh_from_db()
    assert batch.status == "validating"
    validate(batch.pk, now=now + timedelta(seconds=20))
    batch.refresh_from_db()
    assert (batch.status, batch.lease_expires_at) == ("in_progress", None)


def test_files_stay_when_the_answer_to_their_commit_is_lost(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = started(project, request_lines(3), provider_name="simulator")
    run_executor()
    commit = connection.commit

    def lose_the_answer(*arguments: Any) -> None:
        ends = Batch.objects.filter(pk=batch.pk, ended_at__isnull=False).exists()
        commit(*arguments)
        if ends:
            raise OperationalError("the connection ended")

    monkeypatch.setattr(connection, "commit", lose_the_answer)
    with pytest.raises(OperationalError, match="the connection ended"):
        ended(batch)
    monkeypatch.undo()
    batch = ended(batch)
    assert batch.status == "completed"
    assert len(output_lines(batch) + error_lines(batch)) == 3
