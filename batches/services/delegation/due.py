"""due: which provider jobs are looked at next, and the lease under which one worker does it."""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from batches.models import Batch, ProviderJob, bulk
from batches.models.provider_job import ProviderJobQuerySet
from batches.rules.errors import LostRace
from batches.rules.execution import AT_PROVIDER, OPEN_JOBS, JobState
from batches.rules.states import BatchStatus
from batches.services.core.lease import is_free, lease_end
from batches.services.policy.stops_in_force import unsent
from providers.jobs.profiles import PROFILES

QUEUE_FULL = "The provider's queue is full. It is created when there is room."
BUSY = "The provider takes no further job at the moment."
PREPARED_AT_ONCE = 8  # how many jobs of one provider are uploaded at once
KEYS_A_STATEMENT = 10_000
TURNS = ("-batch__precedence", "-batch__priority", "batch__created_at", "first_line")
LOOKED_AT = 2000  # how many waiting jobs are considered for the free places


def anything_due(*, now: datetime) -> bool:
    """Whether a job is to be looked at, or can be created. Those that wait for their batch or for room wake nobody."""
    due = ProviderJob.objects.filter(is_free(now), poll_at__lte=now)
    return due.exclude(state=JobState.PREPARING).exists() or bool(_creatable(now=now))


def next_due() -> datetime | None:
    """When a job is to be looked at next; None if there is none."""
    return ProviderJob.objects.filter(poll_at__isnull=False).order_by("poll_at").values_list("poll_at", flat=True).first()


def take_due(owner: uuid.UUID, *, now: datetime, most: int) -> list[ProviderJob]:
    """Lease the jobs that are due, at most so many: those at a provider first, then those that can be created now."""
    due = ProviderJob.objects.filter(is_free(now), poll_at__lte=now)
    begun = list(due.exclude(state=JobState.PREPARING).order_by("poll_at").values_list("pk", flat=True)[:most])
    begun += _creatable(now=now)[: max(most - len(begun), 0)]
    return _lease(begun, owner, now=now)


def take_running(owner: uuid.UUID, *, provider_id: uuid.UUID, now: datetime, until: datetime, most: int) -> list[ProviderJob]:
    """Lease further running jobs of a provider that are due before `until`, to be looked at with one list.

    Those that may have to be cancelled are left out, and those of a former credential: the list of the present account does
    not show them. Jobs of one batch share it, so that ten thousand jobs take little memory.
    """
    keeps = [family for family, profile in PROFILES.items() if profile.cancel_keeps]
    is_ending = Q(family__in=keeps) | ~Q(batch__status=BatchStatus.IN_PROGRESS)
    to_cancel = ~Q(recall="") & Q(cancel_asked_at=None) & is_ending
    running = ProviderJob.objects.filter(is_free(now), ~to_cancel, provider=provider_id, state=JobState.RUNNING)
    soon = running.filter(poll_at__lte=until, former_credential=b"").order_by("poll_at")
    found = _take(list(soon.values_list("pk", flat=True)[:most]), owner, now=now)
    return list(ProviderJob.objects.filter(pk__in=found).defer("seen").prefetch_related("batch", "batch__provider", "provider"))


def _creatable(*, now: datetime) -> list[uuid.UUID]:
    """The waiting jobs that may be created now, in their order: providers have room for so many, and projects take turns."""
    waiting = ProviderJob.objects.filter(is_free(now), state=JobState.PREPARING, poll_at__lte=now)
    if not waiting.exists():
        return []
    to_close = list(waiting.exclude(recall="").values_list("pk", flat=True)[:LOOKED_AT])
    running = waiting.filter(recall="", batch__status=BatchStatus.IN_PROGRESS, batch__paused_at=None, provider__enabled=True)
    if not running.exists():
        return to_close
    places, projects, doubtful = Counter[uuid.UUID](), Counter[tuple[uuid.UUID, uuid.UUID]](), set[uuid.UUID]()
    room = dict[uuid.UUID, int]()
    taken = _placed(now=now).values_list("provider", "provider__max_open_jobs", "batch__project", "state")
    for provider, most, project, state, count in taken.annotate(Count("pk")):
        room[provider] = most
        places[provider] += count
        projects[provider, project] += count
        if state in (JobState.SENDING, JobState.UNCERTAIN, JobState.PREPARING):
            doubtful.add(provider)
    rows = _foremost(running.exclude(provider__in=[pk for pk, most in room.items() if places[pk] >= most]))
    chosen: list[uuid.UUID] = []
    made = Counter[uuid.UUID]()
    stops = unsent()
    rows = [row for row in rows if not stops.has(provider=row[1], project=row[3])]
    while rows:
        best = min(range(len(rows)), key=lambda index: (-rows[index][5], projects[rows[index][1], rows[index][3]], index))
        pk, provider, family, project, most, _ = rows.pop(best)
        alone = not PROFILES[family].has_marker if family in PROFILES else True
        if places[provider] >= most or made[provider] >= PREPARED_AT_ONCE or (alone and (provider in doubtful or made[provider])):
            rows = [row for row in rows if row[1] != provider]
            continue
        chosen.append(pk)
        made[provider] += 1
        places[provider] += 1
        projects[provider, project] += 1
    return to_close + chosen


def _placed(*, now: datetime) -> ProviderJobQuerySet:
    """The jobs that take a place in their provider's queue: they are there, or are being created."""
    being_made = Q(state=JobState.PREPARING, lease_expires_at__gt=now)
    return ProviderJob.objects.filter(Q(state__in=AT_PROVIDER) | being_made, state__in=OPEN_JOBS).order_by()


_Candidate = tuple[uuid.UUID, uuid.UUID, str, uuid.UUID, int, int]  # job, provider, family, project, places, precedence


def _foremost(waiting: ProviderJobQuerySet) -> list[_Candidate]:
    """The first of these jobs of each project at each provider, in their order. However many one has, all are considered."""
    place = Window(RowNumber(), partition_by=[F("provider"), F("batch__project")], order_by=TURNS)
    first = waiting.annotate(place=place).filter(place__lte=PREPARED_AT_ONCE).order_by(*TURNS)
    columns = ("pk", "provider", "family", "batch__project", "provider__max_open_jobs", "batch__precedence")
    return list(first.values_list(*columns)[:LOOKED_AT])


def hold_back(job: ProviderJob, *, until: datetime, note: str, now: datetime) -> int:
    """Let the other jobs of a model wait as well that its provider has just refused for want of room. How many."""
    others = ProviderJob.objects.filter(
        is_free(now), provider=job.provider_id, model=job.model, state=JobState.PREPARING, recall=""
    )
    return others.exclude(pk=job.pk).filter(poll_at__lt=until).update(poll_at=until, note=note[:500], updated_at=now)


def let_next(job: ProviderJob, *notes: str, now: datetime) -> None:
    """Try one waiting job of each project again, as there is room: of those that wait at this job's model with these notes."""
    held = ProviderJob.objects.filter(provider=job.provider_id, model=job.model, state=JobState.PREPARING, note__in=notes)
    first: dict[uuid.UUID, uuid.UUID] = {}
    for pk, project in held.filter(poll_at__gt=now).order_by(*TURNS).values_list("pk", "batch__project")[:LOOKED_AT]:
        first.setdefault(project, pk)
    if first:
        ProviderJob.objects.filter(is_free(now), pk__in=first.values(), state=JobState.PREPARING).update(poll_at=now)


def _lease(keys: list[uuid.UUID], owner: uuid.UUID, *, now: datetime) -> list[ProviderJob]:
    found = _take(keys, owner, now=now)
    if not found:
        return []
    jobs = ProviderJob.objects.filter(pk__in=found).defer("seen")
    order = {pk: place for place, pk in enumerate(keys)}
    return sorted(jobs.select_related("batch__input_file", "batch__project", "provider"), key=lambda job: order[job.pk])


@transaction.atomic
def _take(keys: list[uuid.UUID], owner: uuid.UUID, *, now: datetime) -> list[uuid.UUID]:
    """Lease those of these jobs that are still free."""
    if not keys:
        return []
    locked = ProviderJob.objects.select_for_update(of=("self",), skip_locked=True).filter(is_free(now), pk__in=keys)
    found = list(locked.values_list("pk", flat=True))
    ProviderJob.objects.filter(pk__in=found).update(
        lease_owner=owner, lease_epoch=F("lease_epoch") + 1, lease_expires_at=lease_end(timezone.now())
    )
    return found


def renew(owner: uuid.UUID, keys: Sequence[uuid.UUID]) -> None:
    """Renew the leases of the jobs that a delegator works on. A job that it has dropped is free when its lease runs out."""
    for start in range(0, len(keys), KEYS_A_STATEMENT):
        held = ProviderJob.objects.filter(pk__in=keys[start : start + KEYS_A_STATEMENT], lease_owner=owner)
        held.update(lease_expires_at=lease_end(timezone.now()))


def lock_batch(job: ProviderJob) -> Batch:
    """Lock the batch of a job. Whoever changes a job together with slices does so first, so that no two wait in a circle."""
    return Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("provider").get(pk=job.batch_id)


def write(job: ProviderJob, *, now: datetime, release: bool = True, **changes: object) -> None:
    """Write columns of a leased job, and by default give the lease back. Raises LostRace if another worker has the job."""
    changes |= {"updated_at": now}
    if release:
        changes |= {"lease_owner": None, "lease_expires_at": None}
    held = ProviderJob.objects.filter(pk=job.pk, lease_epoch=job.lease_epoch)
    if not held.update(**changes):
        raise LostRace
    for name, value in changes.items():
        setattr(job, name, value)


def lock_each(jobs: Sequence[ProviderJob]) -> list[ProviderJob]:
    """Lock many leased jobs, and read again whether they were taken back. Those that another worker has are left out."""
    found: dict[uuid.UUID, tuple[int, str]] = {}
    for start in range(0, len(jobs), KEYS_A_STATEMENT):
        keys = [job.pk for job in jobs[start : start + KEYS_A_STATEMENT]]
        locked = ProviderJob.objects.select_for_update(of=("self",)).filter(pk__in=keys).order_by("pk")
        found |= {pk: (epoch, recall) for pk, epoch, recall in locked.values_list("pk", "lease_epoch", "recall")}
    held = [job for job in jobs if job.pk in found and found[job.pk][0] == job.lease_epoch]
    for job in held:
        job.recall = found[job.pk][1]
    return held


def write_each(changes: Sequence[tuple[ProviderJob, dict[str, Any]]], *, now: datetime) -> None:
    """Write the same columns of many jobs, each with values of its own, and give their leases back.

    It takes one statement for many jobs. They must be locked (see `lock_each`).
    """
    if not changes:
        return
    always: dict[str, Any] = {"updated_at": now, "lease_owner": None, "lease_expires_at": None}
    names = [*changes[0][1], *always]
    bulk.update_each(ProviderJob, names, [(job.pk, *each.values(), *always.values()) for job, each in changes])


def put_off(job: ProviderJob, *, seconds: float, now: datetime, failure: str = "") -> None:
    """Look at a job again after so many seconds, because something did not work."""
    write(job, now=now, poll_at=now + timedelta(seconds=seconds), tries=F("tries") + 1, failure=failure[:500])
