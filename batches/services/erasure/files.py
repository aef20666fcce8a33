"""files: erase lines in stored files, and remove files as a whole. A file keeps its id, its length and its name."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.query import QuerySet

from batches.models import Batch, File, Project, Purpose
from batches.rules.errors import LostRace
from batches.rules.states import OPEN
from batches.services.erasure.lines import Found, find_lines, mentions, patched
from batches.services.erasure.progress import Progress
from batches.services.erasure.subject import Subject
from batches.services.retention.holds import held
from batches.services.storage.ranges import opened
from batches.services.storage.store import remove_bytes, undone_on_error, write
from batches.services.storage.versions import delete_versions

OF_BATCHES = (Purpose.BATCH, Purpose.BATCH_OUTPUT)


def to_search(project: Project, affected: Sequence[UUID]) -> "QuerySet[File]":
    """The files of a project that may have lines of a custom_id: those of the batches that have it, and uncovered files.

    A file is covered if every usable custom_id in it is the name of an object: the input of a batch that ran without invalid
    lines, and its result files. If its batches are not among the affected ones, the custom_id is not in it.
    """
    of_batch = Q(input_file=OuterRef("pk")) | Q(output_file=OuterRef("pk")) | Q(error_file=OuterRef("pk"))
    laid_out = Batch.objects.filter(of_batch, in_progress_at__isnull=False, error_count=0)
    own = Batch.objects.filter(of_batch, pk__in=affected)
    kept = File.objects.filter(project=project, purged_at=None)
    return kept.filter(Exists(own) | ~Exists(laid_out)).order_by("pk")


def erase_in_files(subject: Subject, affected: list[UUID], progress: Progress, *, now: datetime) -> None:
    """Erase the lines of a custom_id in all files that may have some, file by file. A killed erasure goes on with the next."""
    rest = to_search(progress.erasure.project, affected).select_related("project")
    if progress.erasure.file_id_done is not None:
        rest = rest.filter(pk__gt=progress.erasure.file_id_done)
    for file in _one_by_one(rest):
        with suppress(FileNotFoundError):  # retention was faster
            if file.purpose in OF_BATCHES:
                _erase_in(file, find_lines(file, subject, tick=progress.tick), progress, now=now)
            elif mentions(file, subject):
                progress.leave(f"{file} (purpose {file.purpose}) mentions the value. It is no file of a batch: delete it.")
        progress.reached(file)


def _one_by_one(files: "QuerySet[File]") -> Iterator[File]:
    file = files.first()
    while file is not None:
        yield file
        file = files.filter(pk__gt=file.pk).first()


def _erase_in(file: File, found: Found, progress: Progress, *, now: datetime) -> None:
    for number in found.unread:
        progress.leave(f"Line {number} of {file} is too long to be read.")
    if not found.patches:
        return
    if file.pk in held().files:
        progress.leave(f"{file} belongs to a batch under legal hold.")
        return
    old = str(file.content.name)
    with TemporaryUploadedFile("erased.jsonl", "application/jsonl", 0, None) as spool:
        with opened(file) as source:
            for piece in patched(source, found.patches):
                spool.write(piece)
                progress.tick()
        spool.size = file.bytes
        spool.seek(0)
        fresh = write(spool, project=file.project, purpose=Purpose(file.purpose), filename=file.filename, now=now)
    progress.note_replaced(old)
    try:
        with undone_on_error(fresh), transaction.atomic():
            # Who submits a batch over this file waits for the lock, and then reads the new bytes.
            locked = File.objects.select_for_update().filter(pk=file.pk, content=old, purged_at=None)
            if not locked.exists():
                raise LostRace
            _require_unread(file)
            File.objects.filter(pk=file.pk).update(content=fresh.content.name)
            progress.count(
                "lines of result files" if file.purpose == Purpose.BATCH_OUTPUT else "lines of inputs", len(found.patches)
            )
    except _InUse as batch:
        progress.leave(f"{file} is read by {batch}, which has not ended: erase again after its end.")
        return
    except LostRace:
        if File.objects.filter(pk=file.pk, purged_at=None).exists():
            raise
        return  # retention was faster
    delete_replaced(progress)


class _InUse(Exception):
    """A batch that has not ended reads this file."""


def _require_unread(file: File) -> None:
    reader = Batch.objects.filter(input_file=file, status__in=OPEN).first()
    if reader is not None:
        raise _InUse(str(reader))


def delete_replaced(progress: Progress) -> None:
    """Delete the bytes that were replaced. Bytes of a replacement that did not come about are a file's still, and stay."""
    for name in list(progress.erasure.replaced):
        if not File.objects.filter(content=name).exists():
            default_storage.delete(name)
            _delete_versions(name, progress)
        progress.forget_replaced(name)


def remove_files(batch: Batch, progress: Progress, *, among: "QuerySet[Batch]", now: datetime) -> None:
    """Remove all files of a batch as a whole. An input that a batch without the metadata pair has stays, and is told of."""
    for file in (batch.output_file, batch.error_file, batch.input_file):
        if file is None or file.purged_at is not None:
            continue
        others = Batch.objects.filter(input_file=file).exclude(pk__in=among.values("pk"))
        if file == batch.input_file and (other := others.exclude(pk=batch.pk).first()) is not None:
            progress.leave(f"{file} is also the input of {other}, which does not have the pair.")
            continue
        if (reader := Batch.objects.filter(input_file=file, status__in=OPEN).first()) is not None:
            progress.leave(f"{file} is read by {reader}, which has not ended: erase again after its end.")
            continue
        if not remove_bytes(file, now=now):
            raise OSError(f"the file storage refused to delete {file}")
        _delete_versions(str(file.content.name), progress)
        with transaction.atomic():
            File.objects.filter(pk=file.pk).update(purged_at=now, deleted_at=now, removal_failed_at=None)
            progress.count("files", 1)


def _delete_versions(name: str, progress: Progress) -> None:
    if why := delete_versions(name):
        progress.leave(why)
