"""make: back up the portal while it runs."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import IO

from django.conf import settings
from django.core.files.storage import Storage, default_storage

from batches.models import File, UploadPart
from batches.services.backup.databases.interface import Snapshot
from batches.services.backup.databases.of_portal import database_of_portal
from batches.services.backup.manifest import (
    FILES,
    FOLDER,
    FORMAT,
    FileLine,
    Manifest,
    tokens_of_keys,
    write_lines,
    write_manifest,
)
from batches.services.backup.place import BackupError, failures_of_storage, is_empty, put

COPIERS = 8  # files that are copied at once; for small ones the time goes into waiting for the storage
AT_ONCE = 500


@failures_of_storage()
def back_up(place: Storage, *, now: datetime) -> tuple[Manifest, list[str]]:
    """Write a backup into an empty place. Returns its manifest, and the names of files that were missing before.

    Raises BackupError.
    """
    if not is_empty(place):
        raise BackupError("The place of a backup has to be empty.")
    database = database_of_portal()
    with _scratch() as names, _scratch() as lines:
        with database.snapshot() as snapshot:
            with snapshot.dump() as dump:
                kept = put(place, database.dump_name, dump)
            tables = {table: _count(snapshot, table) for table in snapshot.tables()}
            migrations = [f"{app}.{name}" for app, name in snapshot.rows("SELECT app, name FROM django_migrations ORDER BY id")]
            _note_names(snapshot, names)
        missing: list[str] = []
        count, size = write_lines(_copied(names, place, missing, now=now), lines)
        lines.seek(0)
        manifest = Manifest(
            format=FORMAT,
            made_at=now,
            version=settings.VERSION,
            database=database.name,
            migrations=migrations,
            tables=tables,
            dump=kept,
            files=put(place, FILES, lines),
            files_count=count,
            files_bytes=size,
            keys=tokens_of_keys(),
        )
    os.sync()  # the manifest says that everything is there, also after the machine has lost its power
    write_manifest(place, manifest)
    return manifest, missing


def _scratch() -> IO[bytes]:
    """A file for a while. The data folder has more room than the system's folder may have."""
    return tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)


def _count(snapshot: Snapshot, table: str) -> int:
    ((count,),) = snapshot.rows(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - a name from the database's own list
    return int(count)


def _note_names(snapshot: Snapshot, sink: IO[bytes]) -> None:
    """Write down the names of the files, so that the snapshot need not last while they are copied."""
    files, parts = File._meta.db_table, UploadPart._meta.db_table
    query = f"SELECT content FROM {files} WHERE purged_at IS NULL UNION ALL SELECT content FROM {parts}"  # noqa: S608 - ours
    for (name,) in snapshot.rows(query):
        sink.write(f"{name}\n".encode())
    sink.seek(0)


def _copied(names: IO[bytes], place: Storage, missing: list[str], *, now: datetime) -> Iterator[FileLine]:
    """Copy files into the backup. A file that was removed since the snapshot is noted; one that was gone before is `missing`."""
    with ThreadPoolExecutor(COPIERS, thread_name_prefix="backup") as copiers:
        while some := [line.decode().rstrip("\n") for line in islice(names, AT_ONCE)]:
            for line in copiers.map(lambda name: _copy(name, place), some):
                if line.kept is None and _is_needed(line.name, now=now):
                    missing.append(line.name)
                else:
                    yield line


def _copy(name: str, place: Storage) -> FileLine:
    try:
        source = default_storage.open(name)
    except FileNotFoundError:
        return FileLine(name)
    with source:
        return FileLine(name, put(place, f"{FOLDER}{name}", source))


def _is_needed(name: str, *, now: datetime) -> bool:
    """Whether a file that is not in the storage ought to be there still."""
    return (
        File.objects.readable(now=now).filter(content=name, purged_at=None).exists()
        or UploadPart.objects.filter(content=name).exists()
    )
