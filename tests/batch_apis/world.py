"""The clock, the files and the jobs of the stand-in. What a job has done follows from its plan and from the clock."""

import itertools
import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.batch_apis.plan import DEFAULT, Ending, Plan

START = 1_800_000_000.0  # seconds since 1970, when the virtual clock starts
_STATUS = re.compile(rb"\[(\d{3})\]")
_VALIDATES_UNTIL, _RUNS_UNTIL = 0.1, 0.9  # shares of a job's time


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a job. `status` is what it is answered with."""

    custom_id: str
    endpoint: str
    body: bytes

    @property
    def status(self) -> int:
        found = _STATUS.search(self.body)
        return int(found[1]) if found else 200


@dataclass(slots=True)
class StoredFile:
    """A file at the provider."""

    id: str
    owner: str
    name: str
    purpose: str
    content: bytes
    created_at: float


@dataclass(slots=True)
class Job:
    """A provider's job. Methods take the time on the virtual clock."""

    id: str
    family: str
    owner: str
    rows: Sequence[Row]
    plan: Plan
    created_at: float
    about: Mapping[str, Any] = field(default_factory=dict)  # what the create call said, for the family's face
    cancelled_at: float | None = None
    looks: int = 0
    looks_after_end: int = 0
    readings: int = 0  # of its results
    is_deleted: bool = False
    files: dict[str, str] = field(default_factory=dict)  # output and error file, once they were made

    def ends_at(self) -> float:
        """When the job ends, or has ended."""
        by_itself = self.created_at + (float("inf") if self.plan.ending is Ending.STUCK else self.plan.seconds)
        if self.cancelled_at is None:
            return by_itself
        return min(by_itself, self.cancelled_at + self.plan.cancel_seconds)

    def has_ended(self, now: float) -> bool:
        return now >= self.ends_at()

    def ending(self) -> str:
        """`completed`, `failed`, `expired` or `cancelled`: how the job ends."""
        if self.cancelled_at is not None and self.ends_at() >= self.cancelled_at and self.plan.ending is not Ending.FAILED:
            return "cancelled"
        return self.plan.ending.value

    def phase(self, now: float) -> str:
        """OpenAI's word for what the job does now."""
        if self.has_ended(now):
            return self.ending()
        if self.cancelled_at is not None:
            return "cancelling"
        share = (now - self.created_at) / self.plan.seconds if self.plan.seconds else 1.0
        if share < _VALIDATES_UNTIL:
            return "validating"
        return "in_progress" if share < _RUNS_UNTIL or self.plan.ending is Ending.STUCK else "finalizing"

    def processed(self, now: float) -> int:
        """How many rows have been answered, in the order of the input."""
        if self.plan.ending is Ending.FAILED:
            return 0
        stop = now
        if self.cancelled_at is not None and self.plan.cancel_cuts:
            stop = min(now, self.cancelled_at)
        share = min((stop - self.created_at) / (_RUNS_UNTIL * self.plan.seconds), 1.0) if self.plan.seconds else 1.0
        return int(len(self.rows) * self.plan.answered * share + 1e-9)

    def is_billed(self, now: float) -> int:
        """How many rows the owner pays for."""
        return sum(row.status < 300 for row in self.rows[: self.processed(now)])


class World:
    """Everything that the stand-in knows. Each method may be called from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.files: dict[str, StoredFile] = {}
        self.calls: deque[tuple[str, str]] = deque(maxlen=100_000)  # method and path
        self.max_open_rows: int | None = None  # more than that, over all jobs of an owner, and a job fails as a whole
        self._plans: deque[Plan] = deque()
        self._default = DEFAULT
        self._passed = 0.0
        self._numbers = itertools.count(1)
        self._creates = 0

    @property
    def now(self) -> float:
        return START + self._passed

    def advance(self, seconds: float) -> None:
        with self.lock:
            self._passed += seconds

    def plan(self, *plans: Plan, default: Plan | None = None) -> None:
        """Plan the next jobs; `default` is the plan of all that come after them."""
        with self.lock:
            self._plans.extend(plans)
            self._default = default or self._default

    def next_plan(self) -> Plan:
        """The plan of the job that is about to be created. A plan that delays creation stays until its creates are used up."""
        with self.lock:
            plan = self._plans[0] if self._plans else self._default
            if self._creates < plan.no_file:
                self._creates += 1
                return plan
            self._creates = 0
            if self._plans:
                self._plans.popleft()
            return plan

    def lacks_file(self) -> bool:
        """Whether the plan of the create call at hand says that the input file cannot be found yet."""
        return self._creates > 0

    def name(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):06d}"

    def add_job(self, family: str, owner: str, rows: Sequence[Row], plan: Plan, about: Mapping[str, Any], *, prefix: str) -> Job:
        with self.lock:
            is_over = self.max_open_rows is not None and len(rows) + self.open_rows(owner) > self.max_open_rows
            if is_over:
                plan = Plan(ending=Ending.FAILED, seconds=1.0)
            job = Job(self.name(prefix), family, owner, rows, plan, self.now, about)
            self.jobs[job.id] = job
            return job

    def open_rows(self, owner: str) -> int:
        mine = (job for job in self.jobs.values() if job.owner == owner and not job.has_ended(self.now))
        return sum(len(job.rows) for job in mine)

    def add_file(self, owner: str, *, name: str, purpose: str, content: bytes) -> StoredFile:
        with self.lock:
            file = StoredFile(self.name("file-"), owner, name, purpose, content, self.now)
            self.files[file.id] = file
            return file

    def jobs_of(self, family: str, owner: str) -> list[Job]:
        """The jobs of an owner, the newest first."""
        with self.lock:
            return [j for j in reversed(self.jobs.values()) if j.family == family and j.owner == owner and not j.is_deleted]
