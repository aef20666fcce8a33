"""result_writer: write the output and the error file of a batch from its results, and note the byte ranges of each slice."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from time import monotonic

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile

from batches.models import Batch, File, Purpose, Slice, bulk
from batches.rules.states import ObjectStatus
from batches.services.core.lease import hold
from batches.services.results.object_result import ObjectResult, result_line
from batches.services.results.results import results
from batches.services.storage.store import write

SPOOLED_AT_ONCE = 256 * 1024  # bytes


class Inconsistent(Exception):
    """The result files do not hold what the counts say."""


@contextmanager
def result_files(batch: Batch) -> "Iterator[ResultFiles]":
    """Write the result files of a batch whose objects have all settled to the local disk, and delete them at the end.

    Raises Inconsistent, and Gone when the results are no longer kept.
    """
    with ResultFiles(batch) as files:
        found = results(batch)
        for piece in batch.slices.order_by("first_line"):
            files.add(piece, islice(found, piece.total))
        yield files


@dataclass(slots=True)
class _Sink:
    """One result file in the making, spooled to the local disk."""

    name: str
    spool: TemporaryUploadedFile
    lines: int = 0
    size: int = 0  # bytes, including those that are not in the spool yet
    _held: bytearray = field(default_factory=bytearray)

    def write(self, line: bytes) -> None:
        self._held += line
        self.lines += 1
        self.size += len(line)
        if len(self._held) > SPOOLED_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self.spool.write(self._held)
        self._held.clear()

    def finished(self) -> TemporaryUploadedFile:
        """The complete file, ready to be read from its beginning."""
        self._flush()
        self.spool.size = self.size
        self.spool.seek(0)
        return self.spool


class ResultFiles:
    """The output and the error file of a batch, in input order, and the byte ranges of each slice in them."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.pieces: list[Slice] = []
        self._held_at = monotonic()
        self._resources = ExitStack()

    def __enter__(self) -> "ResultFiles":
        self.output, self.error = (self._sink(kind) for kind in ("output", "error"))
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _sink(self, kind: str) -> _Sink:
        name = f"{self.batch}_{kind}.jsonl"
        spool = self._resources.enter_context(TemporaryUploadedFile(name, "application/jsonl", 0, None))
        return _Sink(name, spool)

    def add(self, piece: Slice, found: Iterable[ObjectResult]) -> None:
        """Write the lines of the next slice."""
        output, error = self.output, self.error
        piece.output_start, piece.error_start = output.size, error.size
        for result in found:
            if not piece.first_line <= result.line <= piece.last_line:
                raise Inconsistent(f"{self.batch}: line {result.line} is not where the lines {piece} are")
            if not result.body and not result.error_code:
                raise Inconsistent(f"{self.batch}: line {result.line} is {result.status}, but nothing says what came of it")
            (output if result.status == ObjectStatus.SUCCEEDED else error).write(result_line(result))
            self._hold_on()
        piece.output_end, piece.error_end = output.size, error.size
        self.pieces.append(piece)

    def _hold_on(self) -> None:
        """Renew the lease on the batch from time to time, because writing may take longer than a lease."""
        if monotonic() > self._held_at + settings.LEASE_SECONDS / 5:
            hold(self.batch)
            self._held_at = monotonic()

    @property
    def is_whole(self) -> bool:
        """Whether each succeeded object has a line in the output file, and each other object a line in the error file."""
        counts = self.batch.counts
        return (self.output.lines, self.error.lines) == (counts.succeeded, counts.unsuccessful)

    def store(self, *, now: datetime) -> Iterator[tuple[str, File]]:
        """Put the files that have lines into the file storage. Each comes with its column; the rows are not saved yet."""
        seconds = self.batch.output_lifetime_seconds
        for column, sink in (("output_file", self.output), ("error_file", self.error)):
            if sink.lines:
                yield (
                    column,
                    write(
                        sink.finished(),
                        project=self.batch.project,
                        purpose=Purpose.BATCH_OUTPUT,
                        filename=sink.name,
                        now=now,
                        lifetime=timedelta(seconds=seconds) if seconds else None,
                    ),
                )

    def record_ranges(self) -> None:
        """Note the byte ranges of each slice, in the caller's transaction."""
        # Every writer locks slices in this order, so that no deadlock arises.
        ordered = sorted(self.pieces, key=attrgetter("pk"))
        ranges = [(piece.output_start, piece.output_end, piece.error_start, piece.error_end, piece.pk) for piece in ordered]
        with bulk.cursor() as cursor:
            cursor.executemany(_RANGES, [(*offsets, bulk.adapt(Slice, "id", pk)) for *offsets, pk in ranges])


_RANGES = f"""
    UPDATE {Slice._meta.db_table}
       SET output_start = %s, output_end = %s, error_start = %s, error_end = %s
     WHERE id = %s
"""  # noqa: S608 - the name of a table only
