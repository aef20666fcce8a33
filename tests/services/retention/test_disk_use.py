"""Disk use: the sums are the bytes that the storage has."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django import Settings

from batches.models import File, Project, Purpose
from batches.services.intake.uploads import add_part, start_upload
from batches.services.retention.disk_use import Stored, disk_use, total
from batches.services.storage.store import store
from batches.services.upkeep.prune import prune
from tests.cast import stored
from tests.services.pruned import mixed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


def on_disk(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def test_the_use_of_a_project_is_what_the_storage_has(
    project: Project, other_project: Project, settings: Settings, media_root: Path
) -> None:
    now = timezone.now()
    mixed(project, settings)
    gone = stored(project, b"deleted")
    File.objects.filter(pk=gone.pk).update(deleted_at=now)
    store(ContentFile(b"other"), project=project, purpose=Purpose.USER_DATA, filename="x", now=now)
    upload = start_upload(project, filename="x", mime_type="x", purpose=Purpose.USER_DATA, size=6, now=now)
    add_part(upload, ContentFile(b"abc"), now=now)

    found = disk_use(project, now=now)

    assert {use.kind: use.files for use in found} == {
        Stored.INPUTS: 1,
        Stored.RESULTS: 2,
        Stored.OTHERS: 1,
        Stored.PARTS: 1,
        Stored.HIDDEN: 1,
    }
    assert total(found) == on_disk(media_root)
    assert total(disk_use(other_project, now=now)) == 0

    prune(now=now + timedelta(minutes=1))
    left = disk_use(project, now=now)
    assert next(use for use in left if use.kind is Stored.HIDDEN).bytes == 0
    assert total(left) == on_disk(media_root)
