"""The contract of drivers: a job in, its state and the outcome of each of its rows out.

A driver raises for nothing that a provider does. A call that may have been carried out although no good answer came is
`Uncertain`, and is never repeated by the driver: whoever asked looks for the job with `find`, and decides.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import BinaryIO, Protocol

import msgspec

from providers.base import NO_EXTRAS, Extras, Failure, Outcome
from providers.jobs.profiles import Profile


class JobStatus(Enum):
    """What a job does, in one vocabulary for all providers."""

    QUEUED = "queued"
    VALIDATING = "validating"
    RUNNING = "running"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    ENDED = "ended"


class Ending(Enum):
    """How a job ended. After each of them there may be results that were paid for."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


class JobCounts(msgspec.Struct, frozen=True):
    """The provider's own counts of a job's rows. They are a hint; the rows are the truth. None is unknown, which is not 0."""

    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None


UNKNOWN_COUNTS = JobCounts()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job as its provider showed it at one moment.

    `word` is the provider's own word for the state. If no driver knows the word, `is_known` is false and the job counts as
    running. `outputs` name the results; they may be empty for a while after the end. `problem` is why the job as a whole
    failed, in the provider's words and without secrets.
    """

    remote_id: str
    status: JobStatus
    word: str
    ending: Ending | None = None
    is_known: bool = True
    marker: str = ""
    input_ref: str = ""
    counts: JobCounts = UNKNOWN_COUNTS
    outputs: tuple[str, ...] = ()
    created_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    problem: Failure | None = None

    @property
    def has_ended(self) -> bool:
        return self.status is JobStatus.ENDED


class Row(msgspec.Struct, frozen=True, gc=False):
    """One request of a job. `wire_id` is the id under which its result comes back; `body` is one JSON document."""

    wire_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Input:
    """The rows of a job in the format of its family: a file that was written by `write_input`."""

    content: BinaryIO = field(repr=False)
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A job that is to be created, and by which it can be found again.

    `marker` is unique to this intent. `input_ref` is what `upload` answered. `before` is what `before_create` answered.
    `since` is the time before the first create call.
    """

    marker: str
    endpoint: str
    model: str
    window: str
    rows: int
    input_ref: str
    since: datetime
    before: str = ""
    extras: Extras = NO_EXTRAS


@dataclass(frozen=True, slots=True)
class Created:
    """The job exists."""

    job: Snapshot


@dataclass(frozen=True, slots=True)
class NotCreated:
    """No job came of the call. `later`: the same call may succeed later, since only its moment was wrong."""

    failure: Failure
    later: bool = False


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A job may have come of the call, or may not."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Found:
    """The jobs that may be that of an intent. `is_complete`: no other job of that time can exist unseen.

    `others` are further jobs of that time, which only their counts tell apart from the intent's. If one of them is nobody's, no
    list proves that the intent's job does not exist.
    """

    jobs: Sequence[Snapshot]
    is_complete: bool
    others: Sequence[Snapshot] = ()


class RowKind(Enum):
    """Why a row of the results is there."""

    OUTCOME = "outcome"  # the row was sent to a model, or refused by it
    CANCELLED = "cancelled"  # the job was cancelled before the row ran
    EXPIRED = "expired"  # the job expired before the row ran


class RowResult(msgspec.Struct, frozen=True, gc=False):
    """A row of the results. `outcome` is set if the kind is OUTCOME."""

    wire_id: str
    kind: RowKind
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class OddLine:
    """A line of the results that is about no row that can be told."""

    output: str
    number: int  # from 1
    problem: str


class ResultsUnreadable(Exception):
    """The results could not be read to their end. What was read before is good; reading again may help."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Driver(Protocol):
    """One family of batch APIs at one provider. An instance belongs to one event loop; `close` ends its connections."""

    profile: Profile

    def write_input(self, rows: Sequence[Row], *, endpoint: str, into: BinaryIO) -> int:
        """Write rows in the family's format. The number of bytes that were written."""
        ...

    async def upload(self, content: Input, *, name: str) -> str | Failure:
        """Hand the rows over. The reference of the uploaded input; empty where the create call carries the rows itself."""
        ...

    async def before_create(self) -> str | Failure:
        """Whatever `find` needs to know of the time before a create call. It is asked before each one, and kept."""
        ...

    async def create(self, intent: Intent, content: Input | None) -> Created | NotCreated | Uncertain:
        """Create the job, with one call that is not repeated. `content` is needed where `upload` answered nothing."""
        ...

    async def find(self, intent: Intent) -> Found | Failure:
        """The jobs that may have come of an intent's create call."""
        ...

    async def get(self, remote_id: str) -> Snapshot | Failure:
        """The job as it is now. A NOT_FOUND failure is no news: providers answer 404 for jobs that exist."""
        ...

    async def recent(self, *, since: datetime) -> Found | Failure:
        """All jobs that were created since then, if the provider lists them: one call for many jobs."""
        ...

    async def cancel(self, remote_id: str) -> Snapshot | Failure:
        """Ask to cancel. A job that has ended is shown as it is."""
        ...

    def results(self, job: Snapshot, *, endpoint: str) -> AsyncGenerator[list[RowResult | OddLine]]:
        """The rows of the results in any order, streamed, some at a time. Raises ResultsUnreadable."""
        ...

    async def remove(self, job: Snapshot) -> Sequence[str]:
        """Delete the job's input and outputs at the provider. What is still there, in words; nothing if all is gone."""
        ...

    async def sweep(self, names: Sequence[str], *, since: datetime) -> Sequence[str]:
        """Delete uploads under these names whose answer was lost. What is still there, in words."""
        ...

    async def close(self) -> None: ...
