"""rewrite: write the result files of an ended batch anew from its results."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime

from django.db import transaction

from batches.models import Batch, File
from batches.services.lifecycle.result_writer import Inconsistent, ResultFiles, result_files
from batches.services.storage.store import undone_on_error


def rewrite(batch: Batch, *, now: datetime) -> str:
    """Replace the result files, which keep their ids. Return a sentence about it.

    The files are written first. Then one short transaction makes them known. Raises Inconsistent when results are missing.
    """
    with result_files(batch) as files, ExitStack() as kept:
        if not files.is_whole:
            raise Inconsistent(f"{batch}: its results are not as many as its counts say")
        fresh: dict[str, File] = {}
        for column, file in files.store(now=now):
            kept.enter_context(undone_on_error(file))
            fresh[column] = file
        _make_known(batch, files, fresh, now=now)
    return "Wrote its result files anew."


@transaction.atomic
def _make_known(batch: Batch, files: ResultFiles, fresh: Mapping[str, File], *, now: datetime) -> None:
    known = Batch.objects.select_for_update(of=("self",)).select_related("output_file", "error_file").get(pk=batch.pk)
    if (known.status, known.output_file_id, known.error_file_id) != (batch.status, batch.output_file_id, batch.error_file_id):
        raise Inconsistent(f"{batch}: it moved on while its files were written")
    for column in ("output_file", "error_file"):
        _replace(known, column, fresh.get(column), now=now)
    files.record_ranges()
    Batch.objects.filter(pk=batch.pk).update(lease_owner=None, lease_expires_at=None)


def _replace(batch: Batch, column: str, fresh: File | None, *, now: datetime) -> None:
    known: File | None = getattr(batch, column)
    if known is not None and fresh is not None:
        old, storage = str(known.content.name), known.content.storage
        File.objects.filter(pk=known.pk).update(content=fresh.content.name, bytes=fresh.bytes)
        transaction.on_commit(lambda: storage.delete(old))
    elif fresh is not None:
        fresh.save(force_insert=True)
        Batch.objects.filter(pk=batch.pk).update(**{column: fresh})
    elif known is not None:
        Batch.objects.filter(pk=batch.pk).update(**{column: None})
        File.objects.filter(pk=known.pk).update(deleted_at=now)
