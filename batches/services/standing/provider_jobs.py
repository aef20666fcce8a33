"""provider_jobs: what the jobs of delegated batches do at their providers, in numbers, for states, waits and faces."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Exists, F, Min, OuterRef, Q, Sum

from batches.models import Batch, ProviderJob, ProviderJobIncident, Slice
from batches.rules.display.counted import counted
from batches.rules.execution import HELD, OPEN_JOBS, Execution, JobState
from batches.rules.states import BatchStatus
from providers.models import Provider


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The open jobs of one batch: how many in each state, and with how many requests.

    Jobs whose requests were left to others are not among them. `held` of them wait for the decision of a person. `recalled` of
    them are being taken back. `at_provider` is how many jobs of all batches are at the provider. `note` is why one of the
    waiting jobs was not taken. `direct` is the number of open requests that no job has.
    """

    jobs: Mapping[JobState, int] = field(default_factory=dict)
    requests: Mapping[JobState, int] = field(default_factory=dict)
    held: int = 0
    recalled: int = 0
    at_provider: int = 0
    note: str = ""
    next_look_at: datetime | None = None
    direct: int = 0

    @property
    def open(self) -> int:
        """The number of open jobs."""
        return sum(self.jobs.values())

    def count(self, *states: JobState) -> int:
        """The number of jobs in these states."""
        return sum(self.jobs.get(state, 0) for state in states)

    def has(self, *states: JobState) -> int:
        """The number of requests of the jobs in these states."""
        return sum(self.requests.get(state, 0) for state in states)

    def carries(self, batch: Batch) -> bool:
        """Whether the batch has nothing for the executors: its open requests are in jobs, or wait for them."""
        return not (batch.execution == Execution.HYBRID and batch.taken_back_at is not None and self.direct)

    def told(self, batch: Batch) -> str:
        """What the jobs do, in sentences with numbers; empty if there are none and nothing waits for them."""
        name, parts = batch.provider.name, []
        there = (JobState.RUNNING, JobState.SENDING)
        if self.count(*there):
            parts.append(f"{self._some(*there, verb='is', verbs='are')} at {name}")
        if self.count(JobState.COLLECTING):
            parts.append(f"the results of {self._some(JobState.COLLECTING)} are being collected from {name}")
        if self.count(JobState.UNCERTAIN):
            parts.append(f"nobody knows yet whether {name} has {self._some(JobState.UNCERTAIN)}")
        if self.count(JobState.PREPARING):
            parts.append(self._waiting(batch.provider))
        if self.direct and self.carries(batch):
            waits = counted(self.direct, "request waits", "requests wait")
            parts.append(f"{waits} to be handed over to the batch API of {name}")
        more = []
        if self.held:
            more.append(f"{counted(self.held, 'job waits', 'jobs wait')} for the decision of a person.")
        if self.recalled:
            more.append(f"{counted(self.recalled, 'job is', 'jobs are')} being taken back.")
        sentence = "; ".join(parts)
        return " ".join([f"{sentence[:1].upper()}{sentence[1:]}."] * bool(parts) + more)

    def _some(self, *states: JobState, verb: str = "", verbs: str = "") -> str:
        count = self.count(*states)
        word = verb if count == 1 else verbs
        return f"{counted(count, 'job')} with {counted(self.has(*states), 'request')}{f' {word}' if word else ''}"

    def _waiting(self, provider: Provider) -> str:
        """Why jobs are not at their provider yet."""
        some = self._some(JobState.PREPARING, verb="waits", verbs="wait")
        if self.at_provider >= provider.max_open_jobs:
            most = counted(provider.max_open_jobs, "job")
            return f"{some} for room at {provider.name}, which has {self.at_provider:,} of {most} at most"
        if self.note:
            return f"{some} ({self.note.rstrip('.')})"
        return f"{some} to be sent to {provider.name}"


def job_facts(batches: Iterable[Batch]) -> dict[uuid.UUID, JobFacts]:
    """What is known of the jobs of batches that were handed over and run or wind up. Four queries at most, however many batches.

    If no batch was handed over, there is no query.
    """
    wanted = [batch for batch in batches if Execution(batch.execution).is_handed_over and _is_under_way(batch)]
    if not wanted:
        return {}
    keys = [batch.pk for batch in wanted]
    held = Exists(ProviderJobIncident.objects.filter(job=OuterRef("pk"), code__in=HELD, resolved_at=None))
    rows = (
        ProviderJob.objects.filter(batch__in=keys, state__in=OPEN_JOBS, released_at=None)
        .order_by()
        .values("batch", "state")
        .annotate(
            jobs=Count("pk"),
            requests=Sum(F("rows")),
            held=Count("pk", filter=held),
            recalled=Count("pk", filter=~Q(recall="")),
            look=Min("poll_at"),
        )
    )
    found: dict[uuid.UUID, list[dict[str, object]]] = {}
    for row in rows:
        found.setdefault(row["batch"], []).append(dict(row))
    waiting = [pk for pk, some in found.items() if any(row["state"] == JobState.PREPARING for row in some)]
    notes, taken = _notes(waiting), _at_providers(batch.provider_id for batch in wanted if batch.pk in waiting)
    direct = _direct(keys)
    return {
        batch.pk: _facts_of(
            found.get(batch.pk, []), notes.get(batch.pk, ""), taken.get(batch.provider_id, 0), direct.get(batch.pk, 0)
        )
        for batch in wanted
    }


def _is_under_way(batch: Batch) -> bool:
    return not batch.is_terminal and batch.status != BatchStatus.VALIDATING


def _facts_of(rows: Sequence[Mapping[str, object]], note: str, at_provider: int, direct: int) -> JobFacts:
    by_state = {JobState(str(row["state"])): row for row in rows}
    looks = [look for row in rows if isinstance(look := row["look"], datetime)]
    return JobFacts(
        {state: _number(row["jobs"]) for state, row in by_state.items()},
        {state: _number(row["requests"]) for state, row in by_state.items()},
        held=sum(_number(row["held"]) for row in rows),
        recalled=sum(_number(row["recalled"]) for row in rows),
        at_provider=at_provider,
        note=note,
        next_look_at=min(looks, default=None),
        direct=direct,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _notes(batches: list[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Why a waiting job of each batch was not taken, where the provider said so."""
    if not batches:
        return {}
    waiting = ProviderJob.objects.filter(batch__in=batches, state=JobState.PREPARING).exclude(note="")
    return dict(waiting.order_by("-first_line").values_list("batch", "note"))


def _at_providers(providers: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many jobs are at each of these providers."""
    if not (wanted := set(providers)):
        return {}
    there = ProviderJob.objects.at_provider().filter(provider__in=wanted)
    return dict(there.order_by().values_list("provider").annotate(Count("pk")))


def _direct(batches: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The open requests of each batch that no job has."""
    free = Slice.objects.filter(batch__in=batches, pending__gt=0, provider_job=None)
    return dict(free.order_by().values_list("batch").annotate(Sum("pending")))
