"""What came of objects, from the output and error files of a batch that ended: where its result rows were let go of."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from batches import jsonl
from batches.errors import Gone
from batches.models import Batch, File, Slice
from batches.queries.ranges import is_kept, stream_range
from batches.states import ObjectStatus


def require_result_files(batch: Batch) -> None:
    """Raise Gone unless every file with results of this ended batch is still kept."""
    for name, file in (("output", batch.output_file), ("error", batch.error_file)):
        if file is not None and not is_kept(file):
            raise Gone(f"The {name} file is no longer kept, and with it went the results.")


class SliceResults:
    """The results of one slice, to be asked for in input order. Reads each file once, and only as far as it is asked for."""

    def __init__(self, batch: Batch, piece: Slice) -> None:
        self._output = _Lines(batch.output_file, piece.output_start, piece.output_end, name="output")
        self._error = _Lines(batch.error_file, piece.error_start, piece.error_end, name="error")

    def find(self, object_id: uuid.UUID, status: str) -> jsonl.StoredResult:
        """The result of an object that succeeded or failed. Raises Gone when its file is no longer kept."""
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
            pieces = stream_range(self.file, self.start or 0, self.end or 0, name=self.name)
            self._left = _lines(pieces)
        for line in self._left:
            found = jsonl.read_result(line)
            if found.id == identifier:
                return found
        raise Gone(f"The {self.name} file does not hold this result any more.")


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        yield from whole
    if held:
        yield held
