"""What is in a backup, and which backups and systems a restore refuses."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, File, Project
from batches.services.backup import restore as restoring
from batches.services.backup.make import back_up
from batches.services.backup.manifest import FILES, FOLDER, MANIFEST, FileLine, Manifest, read_lines, read_manifest
from batches.services.backup.place import BackupError, measure, place_of, put
from batches.services.storage.store import hide
from batches.services.upkeep.prune import prune
from providers.models import Provider
from tests.cast import TESTER, request_lines, started, stored

# A backup reads the database on a connection of its own, so that the rows have to be committed.
pytestmark = pytest.mark.django_db(transaction=True)

Reader = Callable[[Storage], Manifest]


@pytest.fixture
def file(project: Project) -> File:
    return stored(project, request_lines(3))


@pytest.fixture
def place(tmp_path: Path) -> Storage:
    return place_of(str(tmp_path / "backup"))


@pytest.fixture
def backup(file: File, place: Storage) -> Storage:
    """A finished backup of one file."""
    back_up(place, now=timezone.now())
    return place


def said_by(*words: str) -> str:
    said = io.StringIO()
    call_command(*words, stdout=said)
    return said.getvalue()


def folder_of(place: Storage) -> Path:
    return Path(place.path(""))


def rewrite(place: Storage, **changes: Any) -> None:
    """Change something in the manifest."""
    path = folder_of(place) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# --- What is in it


def test_it_has_every_row_and_every_file_with_its_digest(project: Project, simulator: Provider, place: Storage) -> None:
    batch = started(project, request_lines(5))
    manifest, missing = back_up(place, now=timezone.now())

    assert missing == []
    assert manifest.tables["batches_batchobject"] == 5
    assert manifest.tables["batches_batch"] == Batch.objects.count()
    assert f"batches.{connection_migrations()[-1]}" in manifest.migrations
    assert batch.input_file is not None
    name = str(batch.input_file.content.name)
    assert list(read_lines(place, manifest)) == [FileLine(name, measure(default_storage, name))]
    assert measure(place, f"{FOLDER}{name}") == measure(default_storage, name)
    assert (manifest.files_count, manifest.files_bytes) == (1, batch.input_file.bytes)
    assert restoring.check(place) == manifest


def connection_migrations() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM django_migrations WHERE app = 'batches' ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


def test_it_has_no_key(backup: Storage, settings: Settings) -> None:
    content = b"".join(path.read_bytes() for path in folder_of(backup).rglob("*") if path.is_file())

    assert settings.CREDENTIAL_KEYS
    assert [key for key in [*settings.CREDENTIAL_KEYS, settings.SECRET_KEY] if key.encode() in content] == []


def test_nobody_else_may_read_it(backup: Storage) -> None:
    assert {path.stat().st_mode & 0o077 for path in folder_of(backup).rglob("*")} == {0}


class Meanwhile(FileSystemStorage):
    """The place of a backup. Something happens in the portal as soon as the dump of its database is there."""

    def __init__(self, location: str, *, happens: Callable[[], None]) -> None:
        super().__init__(location)
        self._happens = happens

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        saved = super().save(name, content, max_length)
        if saved.startswith("database."):
            self._happens()
        return saved


def test_a_file_that_is_removed_meanwhile_is_noted_and_gone_after_a_restore(file: File, project: Project, tmp_path: Path) -> None:
    kept = stored(project, b"{}\n")

    def remove() -> None:
        hide(file, actor=TESTER, now=timezone.now())
        prune(now=timezone.now())

    place = Meanwhile(str(tmp_path / "backup"), happens=remove)
    manifest, missing = back_up(place, now=timezone.now())

    assert missing == []
    assert {line.name for line in read_lines(place, manifest) if line.kept is None} == {str(file.content.name)}
    File.objects.filter(pk=file.pk).update(deleted_at=None, purged_at=None)  # as the database of the backup has it
    restoring._forget_removed(place, manifest)
    now = timezone.now()
    assert set(File.objects.readable(now=now).filter(purged_at=None)) == {kept}


def test_a_file_that_was_lost_before_is_told_and_keeps_nothing_else_out(file: File, project: Project, place: Storage) -> None:
    kept = stored(project, b"{}\n")
    default_storage.delete(str(file.content.name))

    manifest, missing = back_up(place, now=timezone.now())

    assert missing == [str(file.content.name)]
    assert [line.name for line in read_lines(place, manifest)] == [str(kept.content.name)]


def test_the_commands_say_what_was_done(file: File, tmp_path: Path) -> None:
    address = str(tmp_path / "told")

    assert f"Backed up to {address}: " in said_by("backup", address)
    assert " is whole: " in said_by("restore", address, "--check")


def test_a_place_that_holds_something_is_refused(backup: Storage) -> None:
    with pytest.raises(CommandError, match="has to be empty"):
        call_command("backup", str(folder_of(backup)))


# --- What a restore refuses


@pytest.fixture(params=["check", "restore"])
def read(request: pytest.FixtureRequest) -> Reader:
    """Each way to read a backup."""
    return restoring.check if request.param == "check" else restoring.restore


def test_a_backup_that_was_not_finished(backup: Storage, read: Reader) -> None:
    backup.delete(MANIFEST)

    with pytest.raises(BackupError, match="not finished"):
        read(backup)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": 2}, "format 2"),
        ({"format": "one"}, "cannot be read"),
        ({"database": "oracle"}, "is one of oracle"),
        ({"migrations": ["batches.0001_initial", "batches.9999_later"], "version": "9.9"}, r"release 9\.9.*batches\.9999_later"),
        ({"dump": {"bytes": 3, "sha256": "00"}}, "is not the dump"),
    ],
)
def test_a_backup_of_another_kind(backup: Storage, read: Reader, changes: dict[str, Any], told: str) -> None:
    rewrite(backup, **changes)

    with pytest.raises(BackupError, match=told):
        read(backup)


def test_a_backup_with_a_file_of_other_bytes(backup: Storage, file: File) -> None:
    path = folder_of(backup) / FOLDER / str(file.content.name)
    path.write_bytes(path.read_bytes()[:-1] + b"X")

    with pytest.raises(BackupError, match="has other bytes"):
        restoring.check(backup)


def test_a_backup_without_one_of_its_files(backup: Storage, file: File) -> None:
    backup.delete(f"{FOLDER}{file.content.name}")

    with pytest.raises(BackupError, match="is missing in the backup"):
        restoring.check(backup)


@pytest.mark.parametrize("change", [b"", b"{}\n", b"no JSON\n"], ids=["none", "no name", "no JSON"])
def test_a_backup_with_another_list_of_files(backup: Storage, change: bytes) -> None:
    path = folder_of(backup) / FILES
    path.write_bytes(change)

    with pytest.raises(BackupError, match=FILES):
        restoring.check(backup)


def test_a_system_without_the_keys_unless_they_are_lost(backup: Storage, settings: Settings) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *settings.CREDENTIAL_KEYS]
    with pytest.raises(BackupError, match="The database is not empty"):
        restoring.restore(backup)  # a rotated key is one more
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]

    with pytest.raises(BackupError, match="CREDENTIAL_KEYS"):
        restoring.restore(backup)
    with pytest.raises(BackupError, match="The database is not empty"):
        restoring.restore(backup, without_keys=True)


def test_a_system_that_holds_other_files(backup: Storage) -> None:
    put(default_storage, "elsewhere", io.BytesIO(b"x"))

    with pytest.raises(BackupError, match="it holds elsewhere"):
        restoring._restore_files(backup, read_manifest(backup))


def test_files_that_an_interrupted_restore_left_are_completed(backup: Storage, file: File) -> None:
    name = str(file.content.name)
    whole = measure(default_storage, name)
    default_storage.delete(name)
    default_storage.save(name, ContentFile(b"half"))

    restoring._restore_files(backup, read_manifest(backup))

    assert measure(default_storage, name) == whole


def test_bytes_that_were_damaged_are_not_left_in_the_storage(backup: Storage, file: File) -> None:
    name = str(file.content.name)
    default_storage.delete(name)
    (folder_of(backup) / FOLDER / name).write_bytes(b"damaged")

    with pytest.raises(BackupError, match="has other bytes"):
        restoring._restore_files(backup, read_manifest(backup))

    assert not default_storage.exists(name)


@pytest.mark.servers
def test_programs_that_are_not_there_are_named(file: File, place: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(BackupError, match="pg_dump is not installed"):
        back_up(place, now=timezone.now())


@pytest.mark.servers
@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="needs PostgreSQL's client programs")
def test_a_dump_that_fails_leaves_no_backup(file: File, place: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho half\necho 'pg_dump: error: server version mismatch' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(BackupError, match="server version mismatch"):
        back_up(place, now=timezone.now())
    with pytest.raises(BackupError, match="not finished"):
        restoring.check(place)
