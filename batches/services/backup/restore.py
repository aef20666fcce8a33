"""restore: bring a backup into a system that holds nothing yet.

Files come first and the database last, so that no portal ever runs on a database whose files are not there. A restore that
was interrupted is run again: files that are there already, and are those of the backup, are left as they are.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice

from django.core.files.storage import Storage, default_storage
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from batches.models import File, Upload, UploadPart
from batches.models.upload import UploadStatus
from batches.services.backup.databases.interface import Database
from batches.services.backup.databases.of_portal import database_of_portal
from batches.services.backup.make import AT_ONCE, COPIERS
from batches.services.backup.manifest import FOLDER, FileLine, Manifest, has_keys, read_lines, read_manifest
from batches.services.backup.place import BackupError, Kept, failures_of_storage, measure, names_in, opened, put


@failures_of_storage()
def check(place: Storage) -> Manifest:
    """Read a whole backup, and compare it with its manifest. Writes nothing. Raises BackupError."""
    manifest = read_manifest(place)
    _require_dump(place, manifest, database_of_portal())
    with ThreadPoolExecutor(COPIERS, thread_name_prefix="restore") as readers:
        for some in _portions(place, manifest):
            for line, kept in zip(some, readers.map(lambda line: measure(place, f"{FOLDER}{line.name}"), some), strict=True):
                _require_same(line, kept)
    return manifest


@failures_of_storage()
def restore(place: Storage, *, without_keys: bool = False) -> Manifest:
    """Restore a backup into an empty database and an empty file storage. Raises BackupError.

    The present CREDENTIAL_KEYS have to decrypt the credentials in the backup, unless told otherwise by `without_keys`.
    """
    manifest, database = read_manifest(place), database_of_portal()
    _require_dump(place, manifest, database)
    if not (without_keys or has_keys(manifest)):
        raise BackupError(
            "The present CREDENTIAL_KEYS do not decrypt the credentials in the backup: set those of the portal it was made of."
        )
    if not database.is_empty():
        raise BackupError("The database is not empty: a restore needs one without tables, where `migrate` has not run either.")
    _restore_files(place, manifest)
    with opened(place, database.dump_name) as dump:
        database.load(dump)
    _require_rows(manifest)
    _forget_removed(place, manifest)
    return manifest


def _require_dump(place: Storage, manifest: Manifest, database: Database) -> None:
    if manifest.database != database.name:
        raise BackupError(f"The backup is one of {manifest.database}, and this portal runs on {database.name}.")
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if unknown := [name for name in manifest.migrations if name not in known]:
        raise BackupError(
            f"The backup was made by release {manifest.version}, which knows migrations that this one does not: {unknown[0]}."
        )
    if measure(place, database.dump_name) != manifest.dump:
        raise BackupError(f"{database.dump_name} is not the dump that the manifest tells of.")


def _require_same(line: FileLine, kept: Kept) -> None:
    if kept != line.kept:
        raise BackupError(f"{line.name} has other bytes than the manifest tells of.")


def _portions(place: Storage, manifest: Manifest) -> Iterator[list[FileLine]]:
    """The files that the backup has, some at a time."""
    lines = (line for line in read_lines(place, manifest) if line.kept is not None)
    while some := list(islice(lines, AT_ONCE)):
        yield some


def _restore_files(place: Storage, manifest: Manifest) -> None:
    """Copy the files. Raises BackupError if the storage holds a file that is not of this backup."""
    present = set(names_in(default_storage))
    if present and (foreign := present - {line.name for line in read_lines(place, manifest)}):
        raise BackupError(f"The file storage is not empty: it holds {min(foreign)}, which is not in the backup.")
    with ThreadPoolExecutor(COPIERS, thread_name_prefix="restore") as copiers:
        for some in _portions(place, manifest):
            for _ in copiers.map(lambda line: _restore_file(place, line, is_present=line.name in present), some):
                pass


def _restore_file(place: Storage, line: FileLine, *, is_present: bool) -> None:
    if is_present:
        if measure(default_storage, line.name) == line.kept:
            return
        default_storage.delete(line.name)  # an interrupted restore left a part of it
    with opened(place, f"{FOLDER}{line.name}") as source:
        kept = put(default_storage, line.name, source)
    try:
        _require_same(line, kept)
    except BackupError:
        default_storage.delete(line.name)
        raise


def _require_rows(manifest: Manifest) -> None:
    """Compare the number of rows of each table."""
    with connection.cursor() as cursor:
        for table, expected in manifest.tables.items():
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 - a table of ours
            (found,) = cursor.fetchone()
            if found != expected:
                raise BackupError(f"{table} has {found} rows after the restore, and had {expected} in the backup.")


def _forget_removed(place: Storage, manifest: Manifest) -> None:
    """Say of files that were removed while the backup was made that they are gone."""
    removed = (line.name for line in read_lines(place, manifest) if line.kept is None)
    while some := list(islice(removed, AT_ONCE)):
        _forget(some, at=manifest.made_at)


def _forget(names: list[str], *, at: datetime) -> None:
    files = File.objects.filter(content__in=names, purged_at=None)
    files.filter(deleted_at=None).update(deleted_at=at)
    files.update(purged_at=at)
    parts = UploadPart.objects.filter(content__in=names)
    Upload.objects.filter(pk__in=parts.values("upload"), status=UploadStatus.PENDING).update(status=UploadStatus.EXPIRED)
    parts.delete()
