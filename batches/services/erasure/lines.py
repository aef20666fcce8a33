"""lines: find the lines of a custom_id in a stored file, and replace them by lines of the same length.

Slices point into files by byte ranges. A line that keeps its length leaves every range true.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, cast

import msgspec
from django.conf import settings

from batches.models import File, Purpose
from batches.rules.lines import jsonl
from batches.services.erasure.subject import Subject
from batches.services.storage.ranges import CHUNK, Readable, opened

_RESULT_SLACK = 64 * 1024  # how much longer than its answer a line of a result file may be


class _Named(msgspec.Struct):
    custom_id: Any = None


_decode_name = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes of a file, from `start` on, that are replaced by as many others."""

    start: int
    content: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.content)


@dataclass(slots=True)
class Found:
    """The lines of a subject in one file. `unread` are the numbers of lines that are too long to be looked into."""

    patches: list[Patch] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)


def find_lines(file: File, subject: Subject, *, tick: Callable[[], None]) -> Found:
    """The lines of a batch's input or result file that have this custom_id. Memory holds one line. `tick` is called for each.

    Raises FileNotFoundError, and OSError when the storage does not answer.
    """
    found = Found()
    is_result = file.purpose == Purpose.BATCH_OUTPUT
    most = settings.MAX_LINE_BYTES + (settings.MAX_RESPONSE_BYTES + _RESULT_SLACK if is_result else 0)
    with opened(file) as source:
        for line in jsonl.read_lines(cast(BinaryIO, source), max_line_bytes=most):
            tick()
            if line.content is None:
                found.unread.append(line.number)
            elif _is_of(line.content, subject):
                room = line.end - line.start
                content = _erased_result(line.content, subject, room) if is_result else b" " * room
                found.patches.append(Patch(line.start, content))
    return found


def _is_of(content: bytes, subject: Subject) -> bool:
    """Whether a line has this custom_id. A line that is no JSON is taken for one if it mentions the value."""
    try:
        name = _decode_name(content).custom_id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return subject.is_in(content.decode(errors="replace"))
    return name is not None and (name if isinstance(name, str) else str(name)) == subject.value


def _erased_result(content: bytes, subject: Subject, room: int) -> bytes:
    """A line of a result file with the same id and outcome, without custom_id, answer and message, filled up with spaces."""
    try:
        stored = jsonl.read_result(content)
    except msgspec.DecodeError:
        return b" " * room
    response = stored.response and {"status_code": stored.response.status_code, "request_id": "", "body": {}}
    error = stored.error and {"code": "" if subject.is_in(stored.error.code) else stored.error.code, "message": ""}
    line = jsonl.dump({"id": stored.id, "custom_id": "", "response": response, "error": error}).encode()
    return line.ljust(room) if len(line) <= room else b" " * room


def patched(source: Readable, patches: Sequence[Patch]) -> Iterator[bytes]:
    """The bytes of a file with these replacements, piece by piece."""
    position = 0
    for chunk in iter(partial(source.read, CHUNK), b""):
        end, piece = position + len(chunk), bytearray(chunk)
        for patch in patches:
            first, last = max(patch.start, position), min(patch.end, end)
            if first < last:
                piece[first - position : last - position] = patch.content[first - patch.start : last - patch.start]
        yield bytes(piece)
        position = end


def mentions(file: File, subject: Subject) -> bool:
    """Whether the bytes of a file that is no batch's mention the value anywhere."""
    wanted, rest = subject.value.encode(), b""
    with opened(file) as source:
        for chunk in iter(partial(source.read, CHUNK), b""):
            if wanted in rest + chunk:
                return True
            rest = chunk[-len(wanted) :]
    return False
