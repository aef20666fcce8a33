"""A provider job as pages draw it: its state in a badge and a sentence, its progress, and the counts of both sides."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet

from batches.console.drawing.batch_state import Badge, Progress, Tone, percent
from batches.models import ProviderJob, ProviderJobIncident
from batches.rules.execution import HELD, OPEN_JOBS, JobState, Recall
from providers.jobs.base import Ending

WORDS: dict[JobState, tuple[str, Tone]] = {
    JobState.PREPARING: ("Preparing", Tone.WAIT),
    JobState.SENDING: ("Being created", Tone.RUN),
    JobState.UNCERTAIN: ("In doubt", Tone.WARN),
    JobState.RUNNING: ("At the provider", Tone.RUN),
    JobState.COLLECTING: ("Collecting", Tone.RUN),
    JobState.ENDED: ("Ended", Tone.GOOD),
    JobState.REFUSED: ("Refused", Tone.BAD),
}
RECALLED: dict[Recall, str] = {
    Recall.LATE: "It would miss the deadline.",
    Recall.STOPPED: "Its batch was cancelled or has ended.",
    Recall.PERSON: "The rest of its requests is left to others.",
    Recall.MOVED: "Its batch was moved to another provider before it was sent.",
}
_ENDINGS = {
    Ending.CANCELLED.value: ("Cancelled", Tone.MUTE, "It was cancelled at the provider; the results until then are collected."),
    Ending.EXPIRED.value: ("Expired", Tone.WARN, "It expired at the provider; the results until then are collected."),
    Ending.FAILED.value: ("Failed", Tone.BAD, "It failed at the provider as a whole."),
}


def with_incidents(jobs: QuerySet[ProviderJob]) -> QuerySet[ProviderJob]:
    """The jobs with the related rows that pages name, and their open incidents in `told`. One query more."""
    waiting = ProviderJobIncident.objects.filter(resolved_at=None).order_by("-opened_at", "-pk")
    named = ("provider", "batch__project", "batch__input_file")
    return jobs.select_related(*named).defer("seen").prefetch_related(Prefetch("incidents", queryset=waiting, to_attr="told"))


@dataclass(frozen=True, slots=True)
class JobRow:
    """A provider job with the words that pages show about it. `incidents` are the open ones."""

    job: ProviderJob
    standing: Badge
    progress: Progress
    theirs: str
    incidents: Sequence[ProviderJobIncident]
    recalled: str


def job_rows(jobs: Iterable[ProviderJob]) -> list[JobRow]:
    """The rows of jobs from `with_incidents`. No query."""
    return [job_row(job, job.told) for job in jobs]  # type: ignore[attr-defined]


def job_row(job: ProviderJob, incidents: Sequence[ProviderJobIncident]) -> JobRow:
    """One job as pages draw it."""
    recalled = RECALLED[Recall(job.recall)] if job.recall else ""
    return JobRow(job, standing(job, incidents), progress(job), theirs(job), incidents, recalled)


def standing(job: ProviderJob, incidents: Sequence[ProviderJobIncident]) -> Badge:
    """The state of a job in a word and a sentence."""
    state = JobState(job.state)
    word, tone = WORDS[state]
    if any(one.code in HELD for one in incidents) and state is JobState.UNCERTAIN:
        return Badge("Needs a decision", Tone.BAD, "It waits until a person decides: nobody knows whether the provider has it.")
    if job.recall and state in OPEN_JOBS:
        return Badge("Being taken back", Tone.WARN, state.sentence)
    if state is JobState.ENDED and not job.remote_id:
        return Badge("Not sent", Tone.MUTE, "It ended before it was created at the provider.")
    if state is JobState.ENDED and job.ending in _ENDINGS:
        return Badge(*_ENDINGS[job.ending])
    return Badge(word, tone, state.sentence)


def progress(job: ProviderJob) -> Progress:
    """How much of a job is home. Rows that failed, or never ran, fill the second part of the bar."""
    if not job.rows:
        return Progress(text="Not counted yet" if job.state in OPEN_JOBS else "No requests")
    named = (("failed", job.failed), ("never ran", job.never_ran), ("duplicates", job.duplicates), ("too late", job.late))
    further = (f"{count:,} {word}" for word, count in named if count)
    return Progress(
        succeeded=min(round(100 * (job.succeeded + job.duplicates + job.late) / job.rows, 2), 100),
        failed=min(round(100 * (job.failed + job.never_ran) / job.rows, 2), 100),
        percent=percent(min(job.collected, job.rows), job.rows, ended=job.state not in OPEN_JOBS),
        text=" · ".join([f"{job.collected:,} of {job.rows:,} collected", *further]),
    )


def theirs(job: ProviderJob) -> str:
    """The provider's counts in words. A count that it does not tell is unknown, which is not 0."""
    total, succeeded, failed = job.reported_total, job.reported_succeeded, job.reported_failed
    if succeeded is None and failed is None:
        return "unknown" if total is None else f"{total:,} in all, the rest unknown"
    of_all = "" if total is None else f" of {total:,}"
    good = "succeeded unknown" if succeeded is None else f"{succeeded:,}{of_all} succeeded"
    return f"{good} · {'failed unknown' if failed is None else f'{failed:,} failed'}"


def known(count: int | None) -> str:
    """A count of the provider in words."""
    return "unknown" if count is None else f"{count:,}"


@dataclass(frozen=True, slots=True)
class BothCounts:
    """One count as the portal and as the provider have it. None: it has no such count. `differs` marks a disagreement."""

    label: str
    ours: str
    theirs: str | None = None
    differs: bool = False
    hint: str = ""


def both_counts(job: ProviderJob) -> Iterator[BothCounts]:
    """The counts of both sides, row by row. They are compared once the job has ended: before, the provider is ahead."""
    over = job.state == JobState.ENDED
    good = job.succeeded + job.duplicates + job.late
    yield BothCounts(
        "Requests in the job", f"{job.rows:,}", known(job.reported_total), job.reported_total not in (None, 0, job.rows)
    )
    reported = job.reported_succeeded
    apart = over and reported is not None and not job.succeeded <= reported <= good
    yield BothCounts("Succeeded", f"{good:,}", known(reported), apart)
    yield BothCounts("Failed", f"{job.failed:,}", known(job.reported_failed))
    yield BothCounts("Cancelled or expired before they ran", f"{job.never_ran:,}")
    yield BothCounts("Not collected yet" if not over else "Without a result", f"{max(job.rows - job.collected, 0):,}")
    yield BothCounts("Duplicates", f"{job.duplicates:,}", hint="their requests had settled otherwise")
    yield BothCounts("Too late", f"{job.late:,}", hint="their batch had stopped")
    if job.foreign:
        yield BothCounts("Never asked for", f"{job.foreign:,}", differs=True)
    if job.unreadable:
        yield BothCounts("Unreadable lines", f"{job.unreadable:,}", differs=True)
