"""What a search finds: hits, in a section for each kind of thing, each with the reason of the match."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from batches.models import Batch, BatchObject, BulkOperation, ErrorGroup, File
from providers.models import Provider


class HitKind(Enum):
    """The kinds of things that are searched for, in the order of their sections. Each has a word and a heading."""

    REQUEST = ("request", "Requests")
    BATCH = ("batch", "Batches")
    FILE = ("file", "Files")
    OPERATION = ("operation", "Bulk operations")
    PROVIDER = ("provider", "Providers")
    MODEL = ("model", "Models")
    ERROR_GROUP = ("error_group", "Error groups")

    def __init__(self, word: str, heading: str) -> None:
        self.word, self.heading = word, heading


class Reason(Enum):
    """The reasons why something matches."""

    ID = ("id", "id")
    ID_START = ("id_start", "beginning of the id")
    CUSTOM_ID = ("custom_id", "custom_id")
    REQUEST_ID = ("request_id", "request id")
    METADATA = ("metadata", "metadata")
    WORDS = ("words", "words of the remark or the metadata")
    NAME = ("name", "name")
    MESSAGE = ("message", "words of the error")

    def __init__(self, word: str, words: str) -> None:
        self.word, self.words = word, words

    @property
    def is_exact(self) -> bool:
        """Whether a match is the whole of a name that people give to one thing."""
        return self in (Reason.ID, Reason.CUSTOM_ID, Reason.REQUEST_ID)


@dataclass(frozen=True, slots=True)
class ModelFound:
    """A model that batches name, or that a provider has settings for."""

    name: str


@dataclass(frozen=True, slots=True)
class FileFound:
    """A file, and the newest batch that has it as its input or wrote it."""

    file: File
    batch: Batch | None


Row = Batch | BatchObject | FileFound | BulkOperation | Provider | ModelFound | ErrorGroup


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that matches. `row` has its batch, project or provider loaded, as far as it has one."""

    row: Row
    reason: Reason


@dataclass(frozen=True, slots=True)
class Section:
    """The hits of one kind, the newest first. `more` tells whether there are further ones.

    `bound` says, in a sentence, what was not looked through; it is empty if nothing was left out.
    """

    kind: HitKind
    hits: list[Hit]
    more: bool = False
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a search found. `notes` are sentences about the search as a whole."""

    sections: list[Section] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(len(section.hits) for section in self.sections)

    @property
    def only_one(self) -> Hit | None:
        """The one hit of an exact search: it has an exact reason, and nothing else was or could have been found."""
        hits = [hit for section in self.sections for hit in section.hits]
        cut = any(section.more for section in self.sections)
        return hits[0] if len(hits) == 1 and hits[0].reason.is_exact and not cut else None


def section(kind: HitKind, hits: Iterable[Hit], *, limit: int, bound: str = "") -> Section:
    """A section with at most `limit` of the hits. A thing that matches twice is shown with its first reason."""
    distinct: dict[object, Hit] = {}
    for hit in hits:
        distinct.setdefault(key_of(hit.row), hit)
    rows = list(distinct.values())
    return Section(kind, rows[:limit], more=len(rows) > limit, bound=bound)


def key_of(row: Row) -> uuid.UUID | str:
    """What tells rows of one kind apart. Error groups of several projects with one fingerprint have one page."""
    match row:
        case ModelFound(name=name):
            return name
        case FileFound(file=file):
            return file.pk
        case ErrorGroup():
            return row.fingerprint
    key: uuid.UUID = row.pk
    return key
