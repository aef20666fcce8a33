"""Results of objects from the output and error files of an ended batch, for a batch whose result rows were pruned."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from batches.models import Batch, File, Slice
from batches.rules.errors import Gone
from batches.rules.lines import jsonl
from batches.rules.states import ObjectStatus
from batches.services.storage.ranges import is_kept, stream_range


def are_withdrawn(batch: Batch, *, now: datetime) -> bool:
    """Whether a file with results of this batch was deleted by a client or has expired. Then nobody may read its results."""
    files = (batch.output_file, batch.error_file) if batch.is_terminal else ()
    return any(file is not None and not file.is_readable(now=now) for file in files)


def require_result_files(batch: Batch, *, now: datetime) -> None:
    """Raise Gone unless all files with results of this ended batch may still be read."""
    for name, file in (("output", batch.output_file), ("error", batch.error_file)):
        if file is not None and not (file.is_readable(now=now) and is_kept(file)):
            raise Gone(f"The {name} file is no longer kept, and with it went the results.")


class SliceResults:
    """The results of one slice, to be asked for in input order. Each file is read once, and only as far as it is needed."""

    def __init__(self, batch: Batch, piece: Slice) -> None:
        self._output = _Lines(batch.output_file, piece.output_start, piece.output_end, name="output")
        self._error = _Lines(batch.error_file, piece.error_start, piece.error_end, name="error")

    def find(self, object_id: uuid.UUID, status: str) -> jsonl.StoredResult:
        """The result of an object that has succeeded or failed. Raises Gone when its file is no longer kept."""
        return (self._output if status == ObjectStatus.SUCCEEDED else self._error).find(jsonl.result_id(object_id))


@dataclass(slots=True)
class _Lines:
    """The lines of a slice in one of the files."""

    file: File | None
    start: int | None
    end: int | None
    name: str
    _left: Iterator[bytes] | None = None

    def find(self, identifier: str) -> jsonl.StoredResult:
        if self._left is None:
            if self.file is not None and not self.file.is_readable(now=timezone.now()):
                raise Gone(f"The {self.name} file is no longer kept.")
            pieces = stream_range(self.file, self.start or 0, self.end or 0, name=self.name)
            self._left = _lines(pieces)
        for line in self._left:
            found = jsonl.read_result(line)
            if found.id == identifier:
                return found
        raise Gone(f"The {self.name} file does not hold this result any more.")


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []  # the pieces of an unfinished line, joined only once because a line may have many pieces
    for piece in pieces:
        first, *others = piece.split(b"\n")
        held.append(first)
        for following in others:
            yield b"".join(held)
            held = [following]
    if last := b"".join(held):
        yield last
