"""uploads: files that arrive in parts."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files import File as Content
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.db.models import Count, Sum

from batches.models import ApiKey, Project, Purpose, Upload, UploadPart, UploadStatus
from batches.rules.errors import InvalidRequest, LostRace, TooLarge
from batches.services.policy.emergency_stop import require_intake
from batches.services.policy.quota import require_room
from batches.services.retention.holds import held
from batches.services.storage.store import keep, put, size_limit, undone_on_error, write_plain

logger = logging.getLogger(__name__)

CHUNK = 1024**2
MAX_PARTS = 10_000  # how many parts one upload may have
AT_ONCE = 1000


@transaction.atomic
def start_upload(
    project: Project,
    *,
    filename: str,
    mime_type: str,
    purpose: Purpose,
    size: int,
    now: datetime,
    file_lifetime: timedelta | None = None,
    key: ApiKey | None = None,
) -> Upload:
    """Start an upload of `size` bytes.

    Raises TooLarge over MAX_UPLOAD_BYTES or the limit of the purpose, IntakeStopped, and QuotaExceeded.
    """
    require_intake(project)
    if size > (limit := _limit(purpose)):
        raise TooLarge(f"An upload of purpose {purpose} may have {limit} bytes.", param="bytes")
    require_room(project, stored_bytes=size)
    return Upload.objects.create(
        project=project,
        created_by_key=key,
        filename=filename,
        mime_type=mime_type,
        purpose=purpose,
        bytes=size,
        file_lifetime_seconds=int(file_lifetime.total_seconds()) if file_lifetime else None,
        created_at=now,
        expires_at=now + timedelta(seconds=settings.UPLOAD_LIFETIME_SECONDS),
    )


def _limit(purpose: Purpose) -> int:
    """The most bytes that an upload may have. It is more than for a file in one call, unless the upload is a batch's input."""
    return min(settings.MAX_UPLOAD_BYTES, size_limit(purpose)) if purpose == Purpose.BATCH else settings.MAX_UPLOAD_BYTES


def add_part(upload: Upload, content: "Content[Any]", *, now: datetime) -> UploadPart:
    """Keep one part. Parts may arrive in any order and at the same time. Raises IntakeStopped."""
    require_intake(upload.project)
    _require_pending(upload, now=now)
    if not content.size:
        raise InvalidRequest("The part is empty.", param="data")
    if content.size > settings.MAX_PART_BYTES:
        raise TooLarge(f"A part may have {settings.MAX_PART_BYTES} bytes.", param="data")
    part = UploadPart(upload=upload, bytes=content.size, created_at=now)
    put(part.content, content, filename="part")
    try:
        with transaction.atomic():
            locked = Upload.objects.select_for_update().get(pk=upload.pk)
            _require_pending(locked, now=now)
            held = locked.parts.aggregate(parts=Count("pk"), size=Sum("bytes", default=0))
            if held["parts"] >= MAX_PARTS:
                raise InvalidRequest(f"The upload has {MAX_PARTS} parts; it may not have more.", param="data")
            if held["size"] + part.bytes > locked.bytes:
                raise InvalidRequest(f"The parts hold more than the {locked.bytes} bytes that the upload promised.", param="data")
            part.save(force_insert=True)
    except BaseException:
        part.content.storage.delete(str(part.content.name))
        raise
    return part


def complete_upload(upload: Upload, *, part_ids: Sequence[UUID], now: datetime, md5: str | None = None) -> Upload:
    """Join the parts in the given order to a file. The sizes must agree, and the `md5` if it is given.

    Raises InvalidRequest, LostRace, IntakeStopped or QuotaExceeded, and changes nothing then.
    """
    require_intake(upload.project)
    _require_pending(upload, now=now)
    parts = _ordered(upload, part_ids)
    total = sum(part.bytes for part in parts)
    if total != upload.bytes:
        raise InvalidRequest(f"The parts have {total} bytes; the upload promised {upload.bytes}.", param="part_ids")
    with _joined(parts, md5=md5) as content:
        seconds = upload.file_lifetime_seconds
        purpose = Purpose(upload.purpose)
        file = write_plain(
            content,
            project=upload.project,
            purpose=purpose,
            filename=upload.filename,
            limit=_limit(purpose),
            now=now,
            lifetime=timedelta(seconds=seconds) if seconds else None,
            key=upload.created_by_key,
        )
    with undone_on_error(file), transaction.atomic():
        # The upload ends first and frees its room for the file: both together could exceed the project's quota.
        if not Upload.objects.filter(pk=upload.pk, status=UploadStatus.PENDING).update(status=UploadStatus.COMPLETED):
            raise LostRace("The upload does not take anything more.")
        keep(file)
        Upload.objects.filter(pk=upload.pk).update(file=file)
    upload.status, upload.file = UploadStatus.COMPLETED, file
    drop_parts(upload)
    return upload


@contextmanager
def _joined(parts: Sequence[UploadPart], *, md5: str | None) -> "Iterator[Content[Any]]":
    """The parts joined to one file on the local disk. The file storage can take this file over without a copy."""
    with TemporaryUploadedFile("joined", "application/octet-stream", 0, None) as joined:
        digest = hashlib.md5(usedforsecurity=False)
        try:
            for chunk in _chunks(parts):
                joined.write(chunk)
                digest.update(chunk)
        except FileNotFoundError:  # the upload was completed, cancelled or expired meanwhile
            raise LostRace("The upload does not take anything more.") from None
        if md5 is not None and digest.hexdigest() != md5.lower():
            raise InvalidRequest("The MD5 of the parts is not the one given.", param="md5")
        joined.flush()
        joined.seek(0)
        joined.size = sum(part.bytes for part in parts)
        yield joined


def cancel_upload(upload: Upload, *, now: datetime) -> Upload:
    """Cancel an upload, and delete its parts."""
    _require_pending(upload, now=now)
    if not Upload.objects.filter(pk=upload.pk, status=UploadStatus.PENDING).update(status=UploadStatus.CANCELLED):
        raise LostRace("The upload does not take anything more.")
    upload.status = UploadStatus.CANCELLED
    drop_parts(upload)
    return upload


def expire_uploads(*, now: datetime) -> int:
    """Expire every upload whose hour is over. Return how many there were."""
    overdue = list(Upload.objects.filter(status=UploadStatus.PENDING, expires_at__lte=now)[:AT_ONCE])
    for upload in overdue:
        if Upload.objects.filter(pk=upload.pk, status=UploadStatus.PENDING).update(status=UploadStatus.EXPIRED):
            drop_parts(upload)
    return len(overdue)


def drop_parts_left_over(*, now: datetime) -> None:
    """Remove the parts of uploads that have ended: a process may have been killed before it removed them."""
    del now
    left = UploadPart.objects.exclude(upload__status=UploadStatus.PENDING).values("upload")
    for upload in Upload.objects.filter(pk__in=left).exclude(project__in=held().projects)[:AT_ONCE]:
        drop_parts(upload)


def _require_pending(upload: Upload, *, now: datetime) -> None:
    status = upload.status if upload.expires_at > now or upload.status != UploadStatus.PENDING else UploadStatus.EXPIRED
    if status != UploadStatus.PENDING:
        raise InvalidRequest(f"The upload is {status}; it does not take anything more.", param="upload_id")


def _ordered(upload: Upload, part_ids: Sequence[UUID]) -> list[UploadPart]:
    if len(set(part_ids)) != len(part_ids):
        raise InvalidRequest("A part is named twice.", param="part_ids")
    parts = {part.id: part for part in upload.parts.all()}
    unknown = [part_id for part_id in part_ids if part_id not in parts]
    if unknown:
        raise InvalidRequest(f"The upload has no part part_{unknown[0].hex}.", param="part_ids")
    return [parts[part_id] for part_id in part_ids]


def _chunks(parts: Sequence[UploadPart]) -> Iterator[bytes]:
    for part in parts:
        with part.content.open("rb") as content:
            while chunk := content.read(CHUNK):
                yield chunk


def drop_parts(upload: Upload) -> None:
    """Delete the parts of an upload. A part whose bytes cannot be deleted stays for the next run of `prune`.

    Under a legal hold of the project they all stay until its release.
    """
    if upload.project_id in held().projects:
        return
    for part in upload.parts.all():
        try:
            part.content.storage.delete(str(part.content.name))
        except Exception:
            logger.exception("the bytes of %s could not be removed", part)
            continue
        part.delete()
