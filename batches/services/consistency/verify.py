"""verify: find disagreements between counts, rows, files and states, and mend those that can be mended."""

import logging
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Min

from batches.models import Batch
from batches.models.batch import BatchQuerySet
from batches.rules.actors import RECONCILE, Actor
from batches.rules.states import Act, BatchStatus
from batches.services.consistency import counts, errors, files, jobs, recoveries, rows, states
from batches.services.consistency.base import BatchesPage, Check, Disagreement, NotMended, some_lines
from batches.services.core.transition import record
from batches.services.telemetry.catalogue import VERIFY_FINDINGS
from batches.services.telemetry.counts import count

logger = logging.getLogger(__name__)

# The checks run in this order, because a later check may rely on rows that an earlier one has mended.
CHECKS: tuple[Check, ...] = (
    *states.CHECKS,
    *rows.CHECKS,
    *counts.CHECKS,
    *errors.CHECKS,
    *recoveries.CHECKS,
    *files.CHECKS,
    *jobs.CHECKS,
)
UNATTENDED = tuple(check for check in CHECKS if check.unattended)
PAGE = 50  # how many batches are checked together
LOOKED_AT = 10  # how many batches of each kind one run of the beat checks
JUST_ENDED = timedelta(minutes=3)  # the beat checks batches that ended within this time


@dataclass(frozen=True, slots=True)
class Mended:
    """The end of a disagreement: `done` describes its mending; or it is empty, and `reason` says why it cannot be mended."""

    disagreement: Disagreement
    done: str = ""
    reason: str = ""


def disagreements(batches: BatchQuerySet, *, now: datetime, checks: Sequence[Check] = CHECKS) -> Iterator[Disagreement]:
    """All disagreements in these batches. Memory holds one page of batches."""
    for page in _pages(batches):
        for check in checks:
            yield from check.look(BatchesPage(page), now=now)


def mend(batches: BatchQuerySet, *, actor: Actor, now: datetime, checks: Sequence[Check] = CHECKS) -> Iterator[Mended]:
    """Mend the disagreements in these batches, each with an entry in its batch's timeline."""
    for page in _pages(batches):
        yield from _mend_page(BatchesPage(page), checks, actor=actor, now=now)


def _mend_page(page: BatchesPage, checks: Sequence[Check], *, actor: Actor, now: datetime) -> Iterator[Mended]:
    for check in checks:
        for found in list(check.look(BatchesPage(_fresh(page.batches), page.sample), now=now)):
            yield _mend(found, actor=actor, now=now)


def _mend(found: Disagreement, *, actor: Actor, now: datetime) -> Mended:
    check = found.check
    if found.batch is None:
        return Mended(found, reason="There is no safe way to mend this.")
    try:
        if check.go_on is not None:
            done = check.go_on(_current(found.batch), found.subject, now)
            _note(found, done, actor=actor, now=now)
        elif check.mend is not None:
            with transaction.atomic():
                done = check.mend(_current(found.batch), found.subject, now)
                _note(found, done, actor=actor, now=now)
        else:
            return Mended(found, reason="There is no safe way to mend this.")
    except NotMended as reason:
        return Mended(found, reason=str(reason))
    return Mended(found, done=done)


def _current(batch: Batch) -> Batch:
    return _named(Batch.objects.filter(pk=batch.pk)).get()


def _note(found: Disagreement, done: str, *, actor: Actor, now: datetime) -> None:
    assert found.batch is not None
    batch = Batch.objects.get(pk=found.batch.pk)
    note = f"{found.check.name}: {found.text}. {done}"
    record(batch, origin=BatchStatus(batch.status), actor=actor, now=now, note=note, act=Act.REPAIRED)


def verify_recent(*, now: datetime) -> None:
    """Check some lines of some batches, and mend disagreements if that is safe. The beat runs it for a small sample each time.

    No statement reads more than a few thousand rows, whatever the size of the database.
    """
    chosen = [
        *_some(Batch.objects.filter(ended_at__gt=now - JUST_ENDED), "ended_at"),
        *_some(Batch.objects.filter(ended_at=None), "expires_at"),
    ]
    sample = [part for batch_id in chosen for part in some_lines(batch_id)]
    for page in _pages(Batch.objects.filter(pk__in=chosen)):
        for mended in _mend_page(BatchesPage(page, sample), UNATTENDED, actor=RECONCILE, now=now):
            count(VERIFY_FINDINGS, "mended" if mended.done else "left")
            logger.warning("%s. %s", mended.disagreement, mended.done or mended.reason)


def _some(batches: BatchQuerySet, column: str) -> list[uuid.UUID]:
    """A few neighbouring batches in an index on this column, from a random place on."""
    least, greatest = batches.aggregate(least=Min(column), greatest=Max(column)).values()
    if least is None:
        return []
    place = least + (greatest - least) * random.random()
    found = list(batches.filter(**{f"{column}__gte": place}).order_by(column).values_list("pk", flat=True)[:LOOKED_AT])
    before = batches.filter(**{f"{column}__lt": place}).order_by(column).values_list("pk", flat=True)
    return found + list(before[: LOOKED_AT - len(found)])


def _pages(batches: BatchQuerySet) -> Iterator[list[Batch]]:
    """The batches in pages, the oldest first."""
    ordered = _named(batches).order_by("pk")
    page = list(ordered[:PAGE])
    while page:
        yield page
        page = list(ordered.filter(pk__gt=page[-1].pk)[:PAGE])


def _fresh(page: Iterable[Batch]) -> list[Batch]:
    return list(_named(Batch.objects.filter(pk__in=[batch.pk for batch in page])).order_by("pk"))


def _named(batches: BatchQuerySet) -> BatchQuerySet:
    return batches.select_related("project", "provider", "input_file", "output_file", "error_file")
