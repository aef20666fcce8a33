"""store: keep the bytes of files, and delete them."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.files import File as Content
from django.db import DatabaseError, transaction
from django.db.models.fields.files import FieldFile

from batches.models import ApiKey, File, Project, Purpose, RetentionKind
from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest, TooLarge
from batches.services.core.audit import record_act
from batches.services.policy.emergency_stop import require_intake
from batches.services.policy.quota import require_room
from batches.services.retention.terms import file_lifetime
from batches.services.storage.unpack import plain, plain_name

logger = logging.getLogger(__name__)


def size_limit(purpose: str) -> int:
    """The most bytes that a file of this purpose may have."""
    return settings.MAX_BATCH_FILE_BYTES if purpose == Purpose.BATCH else settings.MAX_FILE_BYTES


def store(
    content: "Content[Any]",
    *,
    project: Project,
    purpose: Purpose,
    filename: str,
    now: datetime,
    lifetime: timedelta | None = None,
    key: ApiKey | None = None,
    limit: int | None = None,
    is_draft: bool = False,
) -> File:
    """Keep a client's content as a file of the project.

    Batch files live FILE_LIFETIME_SECONDS unless `lifetime` is given. An input that is compressed with gzip is kept unpacked.
    Raises InvalidRequest for an empty file, TooLarge for a file over `limit` bytes or over the limit of its purpose,
    IntakeStopped, and QuotaExceeded. After an error nothing is kept.
    """
    require_intake(project)
    if not content.size:
        raise InvalidRequest("The file is empty.", param="file")
    if content.size > (limit := limit or size_limit(purpose)):
        raise TooLarge(f"The file has {content.size} bytes; a file of purpose {purpose} may have {limit}.", param="file")
    file = write_plain(
        content, project=project, purpose=purpose, filename=filename, now=now, lifetime=lifetime, key=key, limit=limit
    )
    file.is_draft = is_draft
    with undone_on_error(file), transaction.atomic():
        keep(file)
    return file


def keep(file: File) -> None:
    """Save the row of a client's file, in the caller's transaction. Raises QuotaExceeded."""
    require_room(file.project, stored_bytes=file.bytes)
    file.save(force_insert=True)


def write_plain(
    content: "Content[Any]",
    *,
    project: Project,
    purpose: Purpose,
    filename: str,
    limit: int,
    now: datetime,
    lifetime: timedelta | None = None,
    key: ApiKey | None = None,
) -> File:
    """Write a client's content to storage (see `write`). An input that is compressed is unpacked."""
    with ExitStack() as opened:
        if purpose == Purpose.BATCH:
            content, was_packed = opened.enter_context(plain(content, limit=limit))
            filename = plain_name(filename) if was_packed else filename
        return write(content, project=project, purpose=purpose, filename=filename, now=now, lifetime=lifetime, key=key)


def write(
    content: "Content[Any]",
    *,
    project: Project,
    purpose: Purpose,
    filename: str,
    now: datetime,
    lifetime: timedelta | None = None,
    key: ApiKey | None = None,
) -> File:
    """Write bytes to storage, whatever their size. The row of the file is not saved, so that no client sees it yet.

    The file lives as long as `lifetime` says, else as long as the portal keeps such files, and no longer than the project does.
    """
    default = timedelta(seconds=settings.FILE_LIFETIME_SECONDS) if purpose in (Purpose.BATCH, Purpose.BATCH_OUTPUT) else None
    kind = RetentionKind.RESULTS if purpose == Purpose.BATCH_OUTPUT else RetentionKind.FILES
    lifetime = file_lifetime(project, kind, asked=lifetime, default=default)
    file = File(
        project=project,
        purpose=purpose,
        filename=filename,
        bytes=content.size,
        created_by_key=key,
        created_at=now,
        expires_at=now + lifetime if lifetime else None,
    )
    put(file.content, content, filename=filename)
    return file


def put(field: FieldFile, content: "Content[Any]", *, filename: str) -> None:
    """Write bytes to storage. On failure delete the partial file: a full disk leaves a truncated one."""
    name = field.field.generate_filename(field.instance, filename)
    try:
        field.save(filename, content, save=False)
    except BaseException:
        field.storage.delete(name)
        raise


@contextmanager
def undone_on_error(*files: File) -> Iterator[None]:
    """Delete the bytes of files if the block that should save their rows fails."""
    try:
        yield
    except BaseException:
        take_back(*files)
        raise


def take_back(*files: File) -> None:
    """Delete the bytes of files whose rows were not saved."""
    for file in files:
        if not _may_be_known(file):
            file.content.storage.delete(str(file.content.name))


def remove_bytes(file: File, *, now: datetime) -> bool:
    """Delete the bytes of a file. False if the storage refused; the refusal is noted, so that other files are removed first."""
    try:
        file.content.storage.delete(str(file.content.name))
    except Exception:
        logger.exception("the bytes of %s could not be removed", file)
        File.objects.filter(pk=file.pk).update(removal_failed_at=now)
        return False
    return True


def _may_be_known(file: File) -> bool:
    """Whether the row of a file is saved: a commit may succeed although its answer is lost. If in doubt, the answer is yes."""
    try:
        return File.objects.filter(pk=file.pk).exists()
    except DatabaseError:
        return True


@transaction.atomic
def hide(file: File, *, actor: Actor, now: datetime) -> None:
    """Hide a file from clients at once. `prune` deletes its bytes when no running batch reads them."""
    if File.objects.filter(pk=file.pk, deleted_at=None).update(deleted_at=now):
        record_act("delete_file", actor=actor, now=now, target=file, project=file.project, reason=file.filename)
