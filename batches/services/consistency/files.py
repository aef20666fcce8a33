"""Files against counts: the result files have a line for each object, and slices have the right byte ranges."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from batches.models import Batch, File
from batches.rules.errors import Gone
from batches.services.consistency.base import BatchesPage, Check, Found, NotMended
from batches.services.lifecycle.result_writer import Inconsistent
from batches.services.lifecycle.rewrite import rewrite
from batches.services.storage.ranges import reading

CHUNK = 1024**2


def _kept(batch: Batch) -> Iterator[tuple[str, File | None, int]]:
    """The result files that an ended batch should have: the name, the file, and the number of lines that it should have."""
    if batch.is_terminal:
        yield "output", batch.output_file, batch.succeeded
        yield "error", batch.error_file, batch.total - batch.succeeded


def _missing(page: BatchesPage, now: datetime) -> Found:
    del now
    for batch in page.batches:
        for name, file, lines in _kept(batch):
            if file is None and lines:
                yield batch, f"it has no {name} file for {lines} lines", name
            elif file is not None and file.purged_at is None and not _exists(file):
                yield batch, f"the bytes of its {name} file are gone", name


def _inputs(page: BatchesPage, now: datetime) -> Found:
    del now
    for batch in page.batches:
        file = batch.input_file
        if not batch.is_terminal and file is not None and (file.purged_at is not None or not _exists(file)):
            yield batch, "the bytes of its input are gone while it needs them", None


def _exists(file: File) -> bool:
    return bool(file.content.storage.exists(str(file.content.name)))


def _lines(page: BatchesPage, now: datetime) -> Found:
    del now
    for batch in page.batches:
        for name, file, lines in _kept(batch):
            if file is None or file.purged_at is not None or not _exists(file):
                continue
            found, size = _measured(file)
            if found != lines:
                yield batch, f"its {name} file has {found} lines and ought to have {lines}", name
            elif size != file.bytes:
                yield batch, f"its {name} file has {size} bytes and is said to have {file.bytes}", name


def _measured(file: File) -> tuple[int, int]:
    """The number of lines and bytes of a file. Memory holds one chunk."""
    lines = size = 0
    with reading(file, name="result") as content:
        while chunk := content.read(CHUNK):
            lines += chunk.count(b"\n")
            size += len(chunk)
    return lines, size


def _ranges(page: BatchesPage, now: datetime) -> Found:
    del now
    for batch in page.batches:
        if not batch.is_terminal or not batch.total:
            continue
        for name, file, _ in _kept(batch):
            columns = (f"{name}_start", f"{name}_end")
            end: int | None = 0
            for start, following in batch.slices.order_by("first_line").values_list(*columns):
                if start is None or following is None or start != end or following < start:
                    end = None
                    break
                end = following
            if end is None:
                yield batch, f"where its slices are in its {name} file is not told without gaps", name
            elif end != (file.bytes if file else 0):
                yield batch, f"its slices end at byte {end} of its {name} file of {file.bytes if file else 0}", name


def _write(batch: Batch, subject: Any, now: datetime) -> str:
    del subject
    try:
        return rewrite(batch, now=now)
    except (Inconsistent, Gone) as reason:
        raise NotMended(f"Its results do not suffice to write them anew ({reason}).") from reason


CHECKS = (
    Check("missing_inputs", "The input of a batch that is not over is kept.", _inputs),
    Check("missing_files", "The result files of a batch that ended are kept until they are purged.", _missing, go_on=_write),
    Check("file_lines", "The result files have a line for each object.", _lines, go_on=_write),
    Check("file_ranges", "The slices of a batch that ended cover its result files from end to end.", _ranges, go_on=_write),
)
