"""inline: accept a batch whose requests came in the create call itself."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction

from batches.models import ApiKey, Batch, Project, Purpose
from batches.services.intake.submit import submit
from batches.services.storage.store import keep, undone_on_error, write


@contextmanager
def gathered(lines: Iterable[bytes]) -> "Iterator[UploadedFile[Any]]":
    """The lines of an input file, spooled to the local disk; gone at the end unless they were submitted."""
    with TemporaryUploadedFile("requests.jsonl", "application/jsonl", 0, None) as spool:
        size = 0
        for line in lines:
            size += spool.write(line)
        spool.flush()
        spool.seek(0)
        spool.size = size
        yield spool


def submit_gathered(
    content: "UploadedFile[Any]", *, project: Project, now: datetime, key: ApiKey | None = None, **batch: Any
) -> Batch:
    """Keep gathered lines as an input file and submit a batch over it (see `submit`); on an error neither stays."""
    file = write(content, project=project, purpose=Purpose.BATCH, filename="requests.jsonl", now=now, key=key)
    with undone_on_error(file), transaction.atomic():
        keep(file)
        return submit(project, input_file=file, now=now, key=key, **batch)
