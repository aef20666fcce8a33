"""Completing an upload (E3): the bytes are put together before the database is asked to write."""

import hashlib
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import settings as portal_settings
from django.core.files.base import ContentFile, File
from django.utils import timezone
from pytest_django import Settings

from batches.models import File as StoredFile
from batches.models import Project, Purpose, Upload, UploadPart
from batches.rules.errors import InvalidRequest, LostRace, QuotaExceeded
from batches.services.intake.uploads import add_part, cancel_upload, complete_upload, start_upload
from tests.watched_storage import WatchedStorage

PARTS = (b"one,", b"two,", b"three")
WHOLE = b"".join(PARTS)


def promised(project: Project, **about: Any) -> tuple[Upload, list[UploadPart]]:
    """An upload with all its parts."""
    now = timezone.now()
    upload = start_upload(project, filename="x.bin", mime_type="x", purpose=Purpose.USER_DATA, size=len(WHOLE), now=now, **about)
    return upload, [add_part(upload, ContentFile(part), now=now) for part in PARTS]


def complete(upload: Upload, parts: list[UploadPart], **about: Any) -> Upload:
    return complete_upload(upload, part_ids=[part.pk for part in parts], now=timezone.now(), **about)


class Probing(WatchedStorage):
    """A storage in which another process writes to the database while a file is stored. It notes whether it had to wait."""

    database: ClassVar[str] = ""
    writes: ClassVar[list[bool]] = []

    def _save(self, name: str, content: "File[Any]") -> str:
        other = sqlite3.connect(self.database, timeout=0, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
            self.writes.append(True)
        except sqlite3.OperationalError:
            self.writes.append(False)
        finally:
            other.close()
        return super()._save(name, content)


@pytest.mark.skipif(not portal_settings.EMBEDDED, reason="PostgreSQL has no lock that all writers need")
@pytest.mark.django_db(transaction=True)
def test_e3_others_may_write_while_an_upload_is_put_together(settings: Settings) -> None:
    from django.db import connection  # noqa: PLC0415 - of the test's database

    Probing.database = str(connection.settings_dict["NAME"])
    Probing.writes.clear()
    upload, parts = promised(Project.objects.create(slug="acme", name="Acme"))
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Probing"}}

    complete(upload, parts)

    assert Probing.writes == [True]


@pytest.mark.django_db
def test_e3_the_parts_become_a_file_and_go(project: Project) -> None:
    upload, parts = promised(project)
    file = complete(upload, parts, md5=hashlib.md5(WHOLE, usedforsecurity=False).hexdigest()).file
    assert file is not None
    with file.content.open("rb") as content:
        assert content.read() == WHOLE
    assert file.bytes == len(WHOLE)
    assert not UploadPart.objects.exists()
    assert list(Path(portal_settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == []


@pytest.mark.django_db
@pytest.mark.parametrize("trouble", ["taken", "quota", "md5"])
def test_e3_what_comes_to_nothing_leaves_no_bytes_behind(project: Project, media_root: Path, trouble: str) -> None:
    upload, parts = promised(project)
    before = {path for path in media_root.rglob("*") if path.is_file()}
    if trouble == "taken":
        stale = Upload.objects.get(pk=upload.pk)
        cancel_upload(Upload.objects.get(pk=upload.pk), now=timezone.now())
        UploadPart.objects.bulk_create(parts)
        for part in parts:
            part.content.storage.save(str(part.content.name), ContentFile(PARTS[parts.index(part)]))
        with pytest.raises(LostRace):
            complete(stale, parts)
    elif trouble == "quota":
        Project.objects.filter(pk=project.pk).update(max_stored_bytes=1)
        with pytest.raises(QuotaExceeded):
            complete(Upload.objects.select_related("project").get(pk=upload.pk), parts)
    else:
        with pytest.raises(InvalidRequest, match="MD5"):
            complete(upload, parts, md5="0" * 32)

    assert {path for path in media_root.rglob("*") if path.is_file()} == before
    assert not StoredFile.objects.exists()
