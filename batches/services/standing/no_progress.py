"""No progress: batches that were begun, and of which nothing has finished for NO_PROGRESS_SECONDS, as a database condition."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, Max, OuterRef, Q

from batches.models import Attempt, Batch, ProviderJob, Slice
from batches.rules.execution import Execution
from batches.rules.states import BatchStatus
from batches.services.core.direct import carried_directly, stopped_lately
from batches.services.core.lease import is_free
from batches.services.policy.stops_in_force import sending_is_stopped
from providers.failures import Kind

SLICES_ASKED = 3  # the slices in which the last failure is looked for


def since(now: datetime) -> datetime:
    """What has happened later than this is progress."""
    return now - timedelta(seconds=settings.NO_PROGRESS_SECONDS)


def without_progress(*, now: datetime) -> Q:
    """Open batches that were begun, and of which nothing has finished for NO_PROGRESS_SECONDS, whoever works on them.

    Paused, stopped and blocked batches are not among them: somebody knows why they wait. Batches that were not begun wait for
    their turn, and batches whose open requests are all in provider jobs wait for their provider. A batch that is checked or
    winds up is among them when no worker works on it, either, and no provider job still brings results home.
    """
    slices = Slice.objects.filter(batch=OuterRef("pk"))
    settles = Q(Exists(slices.filter(last_settled_at__gt=since(now))))
    begun = Q(begun_at__lte=since(now)) | Q(Exists(slices.filter(last_settled_at__isnull=False)))
    waits = Q(paused_at__isnull=False) | Q(blocked_until__gt=now) | sending_is_stopped()
    running = Q(status=BatchStatus.IN_PROGRESS, expires_at__gt=now) & begun & ~waits & carried_directly()
    abandoned = ~Q(status=BatchStatus.IN_PROGRESS) & is_free(now)
    abandoned &= ~Q(Exists(slices.filter(lease_expires_at__gt=now))) & ~_brings_home(now)
    return Q(ended_at=None, updated_at__lte=since(now)) & (running | abandoned) & ~settles


def _brings_home(now: datetime) -> Q:
    """Batches that wind up and may still wait for the results of jobs at their provider."""
    jobs = ProviderJob.objects.at_provider().filter(batch=OuterRef("pk"), released_at=None)
    return ~Q(execution=Execution.DIRECT) & stopped_lately(now) & Q(Exists(jobs))


def idle_since(batches: Iterable[Batch], *, now: datetime) -> dict[uuid.UUID, datetime]:
    """Since when nothing of these batches has finished, for those without progress. If all moved lately, there is no query."""
    quiet = [batch.pk for batch in batches if not batch.is_terminal and batch.updated_at <= since(now)]
    if not quiet:
        return {}
    found = (
        Batch.objects.filter(without_progress(now=now), pk__in=quiet).order_by().annotate(latest=Max("slices__last_settled_at"))
    )
    rows = found.values_list("pk", "latest", "begun_at", "updated_at")
    return {pk: max(filter(None, (latest, begun_at, updated_at))) for pk, latest, begun_at, updated_at in rows}


def last_failure(batch: Batch) -> Kind | None:
    """The kind of one of the latest failed attempts of a batch: of the last request tried in one of its first open slices.

    The latest of all is not looked for: a batch may have millions of attempts.
    """
    pieces = batch.slices.filter(pending__gt=0, lease_epoch__gt=0).order_by("first_line")[:SLICES_ASKED]
    found: list[Attempt] = []
    for piece in pieces:
        lines = Attempt.objects.filter(batch=batch, line__gte=piece.first_line, line__lte=piece.last_line)
        found += lines.order_by("-line", "-round", "-number")[:1]
    latest = max(found, key=lambda attempt: attempt.created_at, default=None)
    return None if latest is None else Kind.known(latest.kind)
