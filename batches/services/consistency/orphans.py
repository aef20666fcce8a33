"""Orphans: rows whose batch is gone (hot tables have no checked foreign keys), and stored bytes without the row of a file."""

import posixpath
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.core.files.storage import default_storage
from django.db import models

from batches.models import (
    Attempt,
    Batch,
    BatchError,
    BatchErrorGroup,
    BatchMinute,
    BatchObject,
    BatchResult,
    File,
    Leftover,
    UploadPart,
    bulk,
)

HOT: tuple[type[models.Model], ...] = (BatchObject, BatchResult, BatchError, Attempt, BatchErrorGroup, BatchMinute)
AT_ONCE = 500  # how many files are looked up together
YOUNG = timedelta(hours=1)  # younger bytes may still get the row of a file
ABANDONED = timedelta(days=1)  # older bytes were abandoned: their writer was killed before it saved the row

# The names that `storage_name` and `part_storage_name` make. The last piece is a UUIDv7.
_OWN = re.compile(r"(?:[0-9a-f]{32}/[0-9a-f]{6}|parts/[0-9a-f]{32})/([0-9a-f]{32})")

# The statement goes from one batch to the next by the index, however many rows a batch has.
_ORPHANS = """
      WITH RECURSIVE known(batch_id) AS (
           SELECT * FROM (SELECT batch_id FROM {table} ORDER BY batch_id LIMIT 1) first
            UNION ALL
           SELECT (SELECT t.batch_id FROM {table} t WHERE t.batch_id > k.batch_id ORDER BY t.batch_id LIMIT 1)
             FROM known k
            WHERE k.batch_id IS NOT NULL)
    SELECT k.batch_id
      FROM known k
     WHERE k.batch_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {batches} b WHERE b.id = k.batch_id)
"""


def orphan_rows() -> Iterator[tuple[type[models.Model], uuid.UUID]]:
    """The tables with rows of batches that are gone, each with the id of such a batch. Retention deletes some of them already."""
    being_deleted = set(Leftover.objects.filter(part=Leftover.Part.EVERYTHING).values_list("batch_id", flat=True))
    for model in HOT:
        with bulk.cursor() as cursor:
            cursor.execute(_ORPHANS.format(table=model._meta.db_table, batches=Batch._meta.db_table))
            rows = cursor.fetchall()
        yield from ((model, key) for key in (bulk.as_uuid(row[0]) for row in rows) if key not in being_deleted)


def remove_orphans(model: type[models.Model], batch_id: uuid.UUID) -> int:
    """Delete the rows of a batch that is gone. Return how many there were."""
    if Batch.objects.filter(pk=batch_id).exists():
        return 0
    return model._default_manager.filter(batch_id=batch_id).delete()[0]


def orphan_files(*, now: datetime) -> Iterator[str]:
    """Names in the file storage that no row refers to, except young ones, whose row may still be saved."""
    names = _stored()
    while some := list(islice(names, AT_ONCE)):
        known = set(File.objects.filter(content__in=some).values_list("content", flat=True))
        known |= set(UploadPart.objects.filter(content__in=some).values_list("content", flat=True))
        yield from (name for name in some if name not in known and _is_old_enough(name, now=now))


def remove_orphan_file(name: str, *, now: datetime) -> bool:
    """Delete orphaned bytes if the portal itself began to write them at least a day ago. Return whether they were deleted."""
    begun = begun_at(name)
    if begun is None or now - begun < ABANDONED:
        return False
    default_storage.delete(name)
    return True


def begun_at(name: str) -> datetime | None:
    """When the portal began to write the bytes of a name, by the time in its UUID. None for a name that is not the portal's."""
    if not (own := _OWN.fullmatch(name)):
        return None
    return datetime.fromtimestamp((int(own[1], 16) >> 80) / 1000, tz=UTC)


def _is_old_enough(name: str, *, now: datetime) -> bool:
    """Whether the row of a file with this name would have been saved by now."""
    begun = begun_at(name)
    return begun is None or now - begun >= YOUNG


def _stored(folder: str = "") -> Iterator[str]:
    folders, files = default_storage.listdir(folder)
    yield from (posixpath.join(folder, name) for name in files)
    for inner in folders:
        yield from _stored(posixpath.join(folder, inner))
