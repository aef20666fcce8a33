"""deadline_guard: the rule that says when jobs are taken back from their provider, so that their batches meet the deadline.

These are pure rules. The jobs of a hybrid batch are taken back one after the other, each as late as the executors allow: the
executors need time for the open requests of this job and of all jobs that come after it. The first is the job with the least
to lose. The last is the job that is nearest to its end, because it may still come home by itself.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

CALL_SECONDS = 10.0  # how long one direct call takes, where nothing better is known
MARGIN = 1.25  # direct calls may be slower than expected
MOST_OF_WINDOW = 0.5  # the executors get at most this part of the completion window
CANCEL_OF_WINDOW = 0.125  # and cancelling at the provider at most this part
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast executors send to one provider: the calls in flight at a time, the time of a call, and the most in a minute."""

    concurrency: int
    call_seconds: float = CALL_SECONDS
    per_minute: int | None = None

    def time_for(self, requests: int) -> timedelta:
        """About how long the executors need for so many requests."""
        seconds = requests / max(self.concurrency, 1) * self.call_seconds
        if self.per_minute:
            seconds = max(seconds, requests / self.per_minute * 60)
        return timedelta(seconds=seconds * MARGIN)


@dataclass(frozen=True, slots=True)
class JobAtWork:
    """An open job that nobody has taken back.

    `requests` are its open requests. `cancel_takes` is how long its results take to come home once it is cancelled; it is 0
    where a cancelled job brings nothing home, so that the job runs on. `done` is the share that the provider says is done. It
    decides the order alone, because providers' counts are not to be relied on.
    """

    key: uuid.UUID
    requests: int
    cancel_takes: timedelta = timedelta()
    done: float = 0.0
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """A running batch with jobs. `finishes`: executors send what its jobs do not bring home. `loose` are its other requests."""

    created_at: datetime
    deadline: datetime
    jobs: Collection[JobAtWork]
    finishes: bool
    loose: int = 0

    @property
    def window(self) -> timedelta:
        return self.deadline - self.created_at

    @property
    def requests(self) -> int:
        """The open requests that executors may have to send."""
        return self.loose + sum(job.requests for job in self.jobs)

    def cancel_time(self, takes: timedelta) -> timedelta:
        """How long a cancelled job of this batch is waited for."""
        return min(takes, self.window * CANCEL_OF_WINDOW)


def send_from(course: Course, *, requests: int, until: datetime, pace: Pace, least: timedelta) -> datetime:
    """When executors must begin so many requests of a batch, to be done `until` then, and `least` before its deadline."""
    least = max(least, timedelta(seconds=pace.call_seconds * MARGIN))
    needed = min(until - pace.time_for(requests), course.deadline - least)
    return max(needed, course.deadline - course.window * MOST_OF_WINDOW)


def recall_times(courses: Iterable[Course], *, pace: Pace, least: timedelta) -> Mapping[uuid.UUID, datetime]:
    """When each job at one provider is taken back. `least` is the time that the end of a hybrid batch gets in any case.

    Batches share the executors. So a batch must be done by the time when the executors are needed for a later deadline.
    """
    times: dict[uuid.UUID, datetime] = {}
    needed_from: datetime | None = None
    for course in sorted(courses, key=lambda course: course.deadline, reverse=True):
        until = course.deadline if needed_from is None else min(course.deadline, needed_from)
        left = course.requests
        for job in sorted(course.jobs, key=_loss):
            ready = course.deadline
            if course.finishes:
                ready = send_from(course, requests=left, until=until, pace=pace, least=least)
            times[job.key] = ready - course.cancel_time(job.cancel_takes)
            left -= job.requests
        if course.finishes:
            begin = until - pace.time_for(course.requests)
            needed_from = max(begin, course.deadline - course.window * MOST_OF_WINDOW)
    return times


def _loss(job: JobAtWork) -> tuple[bool, float, float]:
    """The sort key of jobs, those with the least to lose first: not begun, least done, begun last."""
    begun = job.started_at or _NEVER
    return job.started_at is not None, job.done, -begun.timestamp() if job.started_at else 0.0
