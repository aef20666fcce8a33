"""What a test can force on a job: its course, its rows, its counts, and the faults of each call."""

from enum import StrEnum

import msgspec


class Ending(StrEnum):
    """How a job ends when nobody cancels it."""

    COMPLETED = "completed"
    FAILED = "failed"  # as a whole: no row was processed
    EXPIRED = "expired"
    STUCK = "stuck"  # it never ends by itself


class Create(StrEnum):
    """What becomes of the call that creates the job."""

    TAKEN = "taken"
    LOST_ANSWER = "lost_answer"  # the job is created; the connection ends instead of an answer
    ERROR_AFTER = "error_after"  # the job is created; the answer is a 500
    SILENT_AFTER = "silent_after"  # the job is created; no answer comes
    SILENT_BEFORE = "silent_before"  # nothing is created; no answer comes
    ERROR_BEFORE = "error_before"  # nothing is created; the answer is a 500
    DROPPED = "dropped"  # nothing is created; the connection ends
    BUSY = "busy"  # nothing is created; the answer is a 429
    REFUSED = "refused"  # nothing is created; the answer is a 400


class Counts(StrEnum):
    """How true the counts are that the job shows."""

    TRUE = "true"
    ZERO = "zero"
    TEXT = "text"  # numbers as strings
    HIGH = "high"
    BACKWARDS = "backwards"  # lower at each look
    ABSENT = "absent"


class Oddity(StrEnum):
    """A fault of the result file."""

    SHUFFLED = "shuffled"
    MISSING = "missing"  # the last row is left out
    DUPLICATED = "duplicated"  # the first row comes twice
    FOREIGN = "foreign"  # a row that nobody sent
    STATUS_ZERO = "status_zero"  # the first row has the status 0 and no body
    NOT_JSON = "not_json"  # a line of garbage
    CUT = "cut"  # the last line breaks off
    BOM = "bom"
    CRLF = "crlf"
    LARGE = "large"  # a row of 20 MB
    GZIP = "gzip"
    EMPTY_LINES = "empty_lines"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one job. Times are in seconds of the virtual clock.

    `answered` is the share of the rows that have an answer at the end; the others of an expired or cancelled job never ran.
    A row whose body contains `[400]` is answered with this status. `word` replaces the native status word until the end.
    `unseen` is the number of first looks that are answered with 404, `flaps` that of such looks after the end. `no_file` is
    the number of first creates that cannot find the input file. `late` is the number of looks after the end at which the
    results are not named yet.
    """

    seconds: float = 60.0
    ending: Ending = Ending.COMPLETED
    answered: float = 1.0
    word: str = ""
    error_code: str = "token_limit_exceeded"  # of a job that fails as a whole
    counts: Counts = Counts.TRUE
    oddities: tuple[Oddity, ...] = ()
    create: Create = Create.TAKEN
    retry_after: float | None = None
    unseen: int = 0
    flaps: int = 0
    no_file: int = 0
    late: int = 0
    empty_ids: bool = False  # "" instead of null for a file that is not there
    cancel_seconds: float = 60.0
    cancel_cuts: bool = True  # else everything is processed although it was cancelled
    cancel_refused: bool = False
    redirected: bool = False  # results are on another host
    results_gone: bool = False
    breaks: int = 0  # the number of first readings of results that end in the middle
    stalls: int = 0  # the number of first readings that stop in the middle, without an end


DEFAULT = Plan()
