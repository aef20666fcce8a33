"""input_lines: read the input of a batch line by line, and check each line. Validation and earlier checks both use it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings

from batches.models import File
from batches.rules.lines.jsonl import Line, read_lines
from batches.rules.lines.line_rules import LineChecker, Problem
from batches.services.storage.ranges import Readable, opened

Note = Callable[[Problem], None]
Tick = Callable[[], None]


def _nothing() -> None:
    """The tick of a reader without a lease."""


class InputOutOfReach(Exception):
    """The file storage of this worker does not answer, or lacks the folder of the input. Other workers may reach it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked line, its custom_id (empty if it has no usable one), and its problems."""

    line: Line
    custom_id: str
    problems: list[Problem]


@dataclass(slots=True)
class Problems:
    """The problems of an input: counted by their codes, with the first MAX_STORED_ERRORS of them kept."""

    bad_lines: int = 0  # how many lines have a problem
    of_the_whole: int = 0  # how many problems are about the input as a whole
    codes: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many problems there are."""
        return self.codes.total()

    def add(self, problem: Problem) -> None:
        self.codes[problem.code] += 1
        self.of_the_whole += problem.line is None
        if self.keeps(problem):
            self.problems.append(problem)

    def keeps(self, problem: Problem) -> bool:  # noqa: ARG002 - a subclass chooses
        """Whether this problem is kept, and not only counted."""
        return len(self.problems) < settings.MAX_STORED_ERRORS


def checked_file(file: File | None, checker: LineChecker, *, note: Note, tick: Tick = _nothing) -> Iterator[Checked]:
    """Check the lines of a file up to the limit. Memory holds the custom_ids, never the whole input.

    Problems of the input as a whole go to `note`. `tick` is called before and after every read. Raises InputOutOfReach.
    """
    try:
        with _opened(file, tick) as source:
            yield from checked_lines(read_lines(source, max_line_bytes=checker.rules.max_line_bytes), checker, note=note)
    except FileNotFoundError:
        note(Problem("input_not_found", "The input file is no longer kept.", "input_file_id"))


def checked_lines(lines: Iterator[Line], checker: LineChecker, *, note: Note) -> Iterator[Checked]:
    """Check lines from any source. Lines after the limit are only counted."""
    limit = checker.rules.max_lines
    for line in lines:
        checker.lines += 1
        if checker.lines <= limit:
            yield Checked(line, *checker.check(line))
    if not checker.lines:
        note(Problem("empty_file", "The input file has no lines.", "input_file_id"))
    elif checker.lines > limit:
        message = f"The input has {checker.lines} requests; a batch may have {limit}."
        note(Problem("too_many_tasks", message, "input_file_id"))


@contextmanager
def _opened(file: File | None, tick: Tick) -> Iterator[BinaryIO]:
    """The file's bytes. Raises FileNotFoundError if the file is gone, and InputOutOfReach if another worker may reach it."""
    tick()
    try:
        with opened(file) as source:
            yield cast(BinaryIO, _Ticking(source, tick))
    except FileNotFoundError:
        if file is not None and not _has_folder(file):
            raise InputOutOfReach("the file storage lacks the folder of the input") from None
        raise
    except OSError as error:
        raise InputOutOfReach(f"the file storage does not answer ({type(error).__name__})") from error


class _Ticking:
    """A file that calls `tick` before and after every read, because a slow read may take as long as a lease."""

    def __init__(self, source: Readable, tick: Tick) -> None:
        self._source, self._tick = source, tick

    def read(self, size: int) -> bytes:
        self._tick()
        piece = self._source.read(size)
        self._tick()
        return piece


def _has_folder(file: File) -> bool:
    """Whether the storage has the folder of the file. A volume that is not mounted lacks the folder.

    A storage without folders, such as S3, is the same for all workers, so that a missing file is gone.
    """
    try:
        return Path(file.content.storage.path(str(file.content.name))).parent.is_dir()
    except NotImplementedError:
        return True
