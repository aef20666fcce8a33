"""What belongs to nothing: rows whose batch is gone (hot tables have no foreign keys to tell), and bytes of no file."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.core.files.storage import FileSystemStorage, default_storage
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
    UploadPart,
    bulk,
)
from batches.services.proof.base import as_uuid

HOT: tuple[type[models.Model], ...] = (BatchObject, BatchResult, BatchError, Attempt, BatchErrorGroup, BatchMinute)
AT_ONCE = 500  # files that are looked up together
YOUNG = timedelta(hours=1)  # bytes that may still be on their way into a file

# From one batch to the next by the index, however many rows each has.
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
    """Tables with rows of batches that are gone, and the ids of those."""
    for model in HOT:
        with bulk.cursor() as cursor:
            cursor.execute(_ORPHANS.format(table=model._meta.db_table, batches=Batch._meta.db_table))
            rows = cursor.fetchall()
        for (key,) in rows:
            yield model, as_uuid(key)


def remove_orphans(model: type[models.Model], batch_id: uuid.UUID) -> int:
    """Delete the rows of a batch that is gone; how many there were."""
    if Batch.objects.filter(pk=batch_id).exists():
        return 0
    return model._default_manager.filter(batch_id=batch_id).delete()[0]


def orphan_files(*, now: datetime) -> Iterator[str]:
    """Names of bytes in the file storage that nothing refers to; none where it is not a local folder."""
    if not isinstance(default_storage, FileSystemStorage):
        return
    root = Path(default_storage.path(""))
    names: list[str] = []
    for path in root.rglob("*"):
        if path.is_file() and path.stat().st_mtime < (now - YOUNG).timestamp():
            names.append(path.relative_to(root).as_posix())
        if len(names) >= AT_ONCE:
            yield from _unknown(names)
            names = []
    yield from _unknown(names)


def _unknown(names: list[str]) -> list[str]:
    known = set(File.objects.filter(content__in=names).values_list("content", flat=True))
    known |= set(UploadPart.objects.filter(content__in=names).values_list("content", flat=True))
    return sorted(set(names) - known)
