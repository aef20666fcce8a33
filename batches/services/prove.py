"""prove: find where the portal disagrees with itself, and mend what can be mended."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from batches.actors import RECONCILE, Actor
from batches.models import Batch
from batches.models.batch import BatchQuerySet
from batches.services.proof import counts, errors, files, rows, states
from batches.services.proof.base import Check, Disagreement, NotMended
from batches.services.transition import record
from batches.states import Act, BatchStatus

logger = logging.getLogger(__name__)

# In this order, for what an earlier one mends a later one may build on.
CHECKS: tuple[Check, ...] = (*states.CHECKS, *rows.CHECKS, *counts.CHECKS, *errors.CHECKS, *files.CHECKS)
UNATTENDED = tuple(check for check in CHECKS if check.unattended)
PAGE = 50  # batches that are looked at together
LOOKED_AT = 10  # batches of each kind in one run of the beat
JUST_ENDED = timedelta(minutes=3)  # the beat looks at what ended so recently


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a disagreement: `done` says what was done, or is empty when `reason` says why nothing could be."""

    disagreement: Disagreement
    done: str = ""
    reason: str = ""


def disagreements(batches: BatchQuerySet, *, now: datetime, checks: Sequence[Check] = CHECKS) -> Iterator[Disagreement]:
    """Everything that disagrees in these batches. Holds one page of them in memory."""
    for page in _pages(batches):
        for check in checks:
            yield from check.look(page, now=now)


def mend(batches: BatchQuerySet, *, actor: Actor, now: datetime, checks: Sequence[Check] = CHECKS) -> Iterator[Mended]:
    """Mend what disagrees in these batches, each with an entry in its batch's timeline."""
    for page in _pages(batches):
        for check in checks:
            for found in list(check.look(_fresh(page), now=now)):
                yield _mend(found, actor=actor, now=now)


def _mend(found: Disagreement, *, actor: Actor, now: datetime) -> Mended:
    if found.check.mend is None or found.batch is None:
        return Mended(found, reason="There is no safe way to mend this.")
    try:
        with transaction.atomic():
            batch = _named(Batch.objects.filter(pk=found.batch.pk)).get()
            done = found.check.mend(batch, found.subject, now)
            batch.refresh_from_db()
            note = f"{found.check.name}: {found.text}. {done}"
            record(batch, origin=BatchStatus(batch.status), actor=actor, now=now, note=note, act=Act.REPAIRED)
    except NotMended as reason:
        return Mended(found, reason=str(reason))
    return Mended(found, done=done)


def prove(*, now: datetime) -> None:
    """Look at some batches and mend what is safe to mend. Run by the beat: a little every time, whatever there is."""
    ended = Batch.objects.filter(ended_at__gt=now - JUST_ENDED).order_by("?")[:LOOKED_AT]
    running = Batch.objects.filter(ended_at=None).order_by("?")[:LOOKED_AT]
    chosen = [*ended.values_list("pk", flat=True), *running.values_list("pk", flat=True)]
    for mended in mend(Batch.objects.filter(pk__in=chosen), actor=RECONCILE, now=now, checks=UNATTENDED):
        logger.warning("%s. %s", mended.disagreement, mended.done or mended.reason)


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
