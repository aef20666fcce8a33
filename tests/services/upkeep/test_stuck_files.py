"""E9: files that the storage refuses to delete stop nothing else, and are shown."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, File, Project, Purpose, Upload, UploadPart, UploadStatus
from batches.services.intake.uploads import add_part, cancel_upload, start_upload
from batches.services.upkeep import old_batches
from batches.services.upkeep import prune as pruning
from batches.services.upkeep.old_batches import remove_old_batches
from batches.services.upkeep.prune import prune
from tests.cast import stored
from tests.services.pruned import mixed
from tests.services.upkeep.conftest import long_ago
from tests.watched_storage import WatchedStorage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

HOUR = timedelta(hours=1)


class Stuck(WatchedStorage):
    """A storage that does not delete these names."""

    names: ClassVar[set[str]] = set()

    def delete(self, name: str) -> None:
        if name in self.names:
            raise PermissionError(name)
        super().delete(name)


@pytest.fixture
def stuck(settings: Settings) -> Iterator[set[str]]:
    """The names of bytes that cannot be deleted."""
    backend = f"{Stuck.__module__}.{Stuck.__qualname__}"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend}}
    yield Stuck.names
    Stuck.names.clear()


def test_e9_a_file_that_cannot_be_deleted_keeps_no_other_from_going(project: Project, stuck: set[str]) -> None:
    now = timezone.now()
    bad, good = stored(project, b"a"), stored(project, b"b")
    File.objects.update(deleted_at=now)
    stuck.add(str(bad.content.name))

    prune(now=now)

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.purged_at, bad.removal_failed_at) == (None, now)
    assert (good.purged_at, good.removal_failed_at) == (now, None)


def test_e9_files_that_cannot_be_deleted_leave_the_next_run_to_others(
    project: Project, stuck: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "AT_ONCE", 2)
    now = timezone.now()
    files = [stored(project, b"a") for _ in range(4)]
    File.objects.update(deleted_at=now)
    stuck.update(str(file.content.name) for file in files[2:])  # those that come first: files are listed newest first

    prune(now=now)
    prune(now=now)

    assert File.objects.filter(purged_at=now).count() == 2
    stuck.clear()
    prune(now=now + 2 * HOUR)
    assert not File.objects.filter(purged_at=None).exists()
    assert not File.objects.exclude(removal_failed_at=None).exists()


def test_e9_a_batch_whose_file_cannot_be_deleted_stays_and_keeps_no_other(
    project: Project, settings: Settings, stuck: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_batches, "BATCHES_AT_ONCE", 1)
    settings.BATCH_RETENTION_DAYS = 30
    first, second = mixed(project, settings), mixed(project, settings)
    long_ago(first, 40)
    long_ago(second, 35)
    assert first.output_file is not None
    stuck.add(str(first.output_file.content.name))
    now = timezone.now()

    for _ in range(2):
        remove_old_batches(now=now)

    assert list(Batch.objects.all()) == [first]
    stuck.clear()
    remove_old_batches(now=now + 2 * HOUR)
    assert not Batch.objects.exists()


def test_e9_parts_that_a_killed_process_left_behind_are_swept(project: Project) -> None:
    now = timezone.now()
    promised: dict[str, Any] = {"filename": "x", "mime_type": "x", "purpose": Purpose.USER_DATA, "size": 6, "now": now}
    left, pending = start_upload(project, **promised), start_upload(project, **promised)
    parts = [add_part(upload, ContentFile(b"abc"), now=now) for upload in (left, pending)]
    Upload.objects.filter(pk=left.pk).update(status=UploadStatus.COMPLETED)

    prune(now=now)

    assert list(UploadPart.objects.all()) == [parts[1]]
    assert not parts[0].content.storage.exists(str(parts[0].content.name))


def test_e9_a_part_that_cannot_be_deleted_is_tried_again(project: Project, stuck: set[str]) -> None:
    now = timezone.now()
    upload = start_upload(project, filename="x", mime_type="x", purpose=Purpose.USER_DATA, size=6, now=now)
    bad, _good = add_part(upload, ContentFile(b"abc"), now=now), add_part(upload, ContentFile(b"def"), now=now)
    stuck.add(str(bad.content.name))

    cancel_upload(upload, now=now)
    assert list(UploadPart.objects.all()) == [bad]
    stuck.clear()
    prune(now=now)

    assert not UploadPart.objects.exists()
