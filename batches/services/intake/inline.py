"""inline: accept a batch whose requests came in the create call itself."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction

from batches.models import ApiKey, Batch, IdempotencyRecord, Purpose
from batches.rules.actors import Actor
from batches.services.intake.submission import Submission
from batches.services.intake.submit import submit
from batches.services.storage.store import keep, undone_on_error, write

FILENAME = "requests.jsonl"


@contextmanager
def spooled(lines: Iterable[bytes]) -> "Iterator[UploadedFile[Any]]":
    """Spool the lines of an input file to the local disk. The spool file is deleted at the end unless a batch has taken it."""
    with TemporaryUploadedFile(FILENAME, "application/jsonl", 0, None) as spool:
        size = 0
        for line in lines:
            size += spool.write(line)
        spool.flush()
        spool.seek(0)
        spool.size = size
        yield spool


def submit_gathered(
    submission: Submission,
    content: "UploadedFile[Any]",
    *,
    actor: Actor,
    now: datetime,
    key: ApiKey | None = None,
    reservation: IdempotencyRecord | None = None,
) -> Batch:
    """Keep spooled lines as an input file, and submit a batch over it (see `submit`). After an error neither is kept."""
    file = write(content, project=submission.project, purpose=Purpose.BATCH, filename=FILENAME, now=now, key=key)
    with undone_on_error(file), transaction.atomic():
        keep(file)
        return submit(submission, input_file=file, actor=actor, now=now, key=key, reservation=reservation)
