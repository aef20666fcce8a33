"""retry: send unsuccessful objects again. A succeeded object is never sent again.

A batch that runs is retried in place: its failed objects begin a new round. A batch that has ended is retried as a child
batch: a new batch over an input of the same lines, with the ended batch as its `parent`; see `batches.services.retry.lineage`.
"""

import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Sum
from django.db.models.functions import Greatest

from batches.models import (
    INVALID_LINE,
    NOTE_CHARS,
    SUMMED,
    Batch,
    BatchError,
    BatchErrorGroup,
    BatchObject,
    ErrorGroup,
    Event,
    ProviderJob,
    Slice,
)
from batches.rules.actors import Actor
from batches.rules.display.counted import counted
from batches.rules.errors import Conflict, InvalidRequest, LostRace
from batches.rules.execution import OPEN_JOBS, Execution
from batches.rules.states import TERMINAL, Act, BatchStatus, ObjectStatus
from batches.services.core import wake
from batches.services.core.amend import amend
from batches.services.intake.idempotency import complete_reservation
from batches.services.policy.emergency_stop import require_intake
from batches.services.policy.quota import require_room
from batches.services.retry.child import ChildInput, NothingToRetry, as_of, child_input, submit_child
from batches.services.retry.order import PLAIN, RetryOrder
from batches.services.retry.selection import Selection, chosen, require_known
from batches.services.tally.error_groups import count_fewer
from batches.services.tally.recount import recount

RETRYABLE = TERMINAL | {BatchStatus.IN_PROGRESS}
SLICES_A_TRANSACTION = 10

# The columns of an object before its first attempt. Its earlier rounds stay in results, errors and attempts.
_UNSENT: dict[str, Any] = {
    "status": ObjectStatus.PENDING,
    "attempts": 0,
    "http_status": None,
    "latency_ms": None,
    **dict.fromkeys(SUMMED),
    "kind": "",
    "retry_after": None,
    "request_id": "",
    "settled_at": None,
}


class NotRetryable(Conflict):
    """A batch is retried while it runs, or after its end."""

    code = "not_retryable"


class RetryMode(StrEnum):
    """How a batch was retried."""

    IN_PLACE = "in_place"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Retried:
    """The outcome of a retry: the batch that sends, how many objects it sends again, and how many selected ones it skips."""

    mode: RetryMode
    batch: Batch
    retried: int
    skipped: int

    @property
    def objects(self) -> str:
        """`1,200 objects`."""
        return counted(self.retried, "object")

    @property
    def requests(self) -> str:
        """`1,200 requests`."""
        return counted(self.retried, "request")


def retry(
    batch: Batch,
    *,
    selection: Selection,
    actor: Actor,
    now: datetime,
    order: RetryOrder = PLAIN,
    requests: ChildInput | None = None,
) -> Retried:
    """Send the selected unsuccessful objects again, in place or as a child batch. A child may go to another provider.

    Objects that succeeded, or that another retry has taken up, are left out, so that no request is paid for twice by accident.
    A caller inside a transaction must have written the `requests` of the child before the transaction (see `child_input`).

    Raises NotRetryable while the batch is validated or wound up, NothingToRetry, LostRace when the batch moves on meanwhile or
    no longer has the version of the `order`, InvalidRequest for a selection that the batch does not have, Gone when its input
    is no longer kept, NoProvider, IntakeStopped, and QuotaExceeded.
    """
    require_intake(batch.project, provider=batch.provider if order.provider_name is None else None)
    mode = mode_of(batch)
    require_known(batch, selection)
    if mode is RetryMode.CHILD:
        written = nullcontext(requests) if requests else child_input(batch, selection=selection, now=now, key=order.key)
        with written as found:
            child = submit_child(batch, found, order=order, actor=actor, now=now)
        return Retried(RetryMode.CHILD, child, child.announced, found.skipped)
    if order.provider_name is not None:
        raise InvalidRequest("A batch that runs is retried where it runs; reroute it to change that.", param="provider")
    retried = _retry_in_place(batch, selection, order=order, actor=actor, now=now)
    return Retried(RetryMode.IN_PLACE, batch, retried, 0 if selection.lines is None else len(selection.lines) - retried)


def mode_of(batch: Batch) -> RetryMode:
    """How the batch would be retried at this moment. Raises NotRetryable while it is validating or wound up."""
    if batch.status in RETRYABLE:
        return RetryMode.CHILD if batch.is_terminal else RetryMode.IN_PLACE
    raise NotRetryable(f"A batch with status '{batch.status}' cannot be retried: only one that runs, or has ended.")


def _retry_in_place(batch: Batch, selection: Selection, *, order: RetryOrder, actor: Actor, now: datetime) -> int:
    """Make failed objects pending again, and return how many. Each transaction takes a few slices, and updates one event."""
    failing = Slice.objects.filter(batch=batch, failed__gt=0).order_by("pk").values_list("pk", "first_line", "last_line")
    touched = [pk for pk, first, last in failing if selection.touches(first, last)]
    event: Event | None = None
    retried = 0
    for start in range(0, len(touched), SLICES_A_TRANSACTION):
        try:
            with transaction.atomic():
                # Rows are locked in one order everywhere, so that no deadlock arises: batch, jobs, slices.
                Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
                jobs = _lock_jobs(touched[start : start + SLICES_A_TRANSACTION])
                slices = Slice.objects.select_for_update().filter(pk__in=touched[start : start + SLICES_A_TRANSACTION])
                pieces = list(slices.order_by("pk"))
                if event is None:
                    require_room(batch.project, pending_objects=_selected(batch, selection))
                count = _send_again(batch, selection, pieces, now=now)
                if not count:
                    continue
                Slice.objects.filter(pk__in=[piece.pk for piece in pieces], provider_job__in=jobs).update(provider_job=None)
                note = " ".join(filter(None, (_objects(retried + count), order.reason)))
                # A resume acknowledged failures that the new round takes back.
                fewer: dict[str, Any] = {
                    name: Greatest(F(name) - count, 0) for name in ("acknowledged_settled", "acknowledged_failed")
                }
                if event is None:
                    event = amend(batch, Act.RETRIED, actor=actor, now=now, note=note, expecting=as_of(order.version), **fewer)
                    complete_reservation(order.reservation, batch)
                else:
                    _note_more(batch, event, now=now, note=note, **fewer)
                wake.execute()
                if Execution(batch.execution).is_handed_over:
                    wake.delegate()
        except LostRace:
            if not retried:
                raise
            break  # the batch no longer runs; the rounds that were begun stay
        retried += count
    if not retried:
        raise NothingToRetry
    return retried


def _lock_jobs(slices: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Lock the provider jobs of some slices. The answer are those that will not bring home what is pending from now on."""
    keys = Slice.objects.filter(pk__in=slices, provider_job__isnull=False).order_by().values("provider_job")
    locked = ProviderJob.objects.select_for_update(of=("self",)).filter(pk__in=keys).order_by("pk")
    rows = locked.values_list("pk", "state", "released_at")
    return [pk for pk, state, released_at in rows if state not in OPEN_JOBS or released_at is not None]


def _selected(batch: Batch, selection: Selection) -> int:
    """An upper bound of the number of failed objects that are selected."""
    if selection.lines is not None:
        failed = BatchObject.objects.filter(batch=batch, line__in=selection.lines, status=ObjectStatus.FAILED)
        return failed.exclude(kind=INVALID_LINE).count()
    if selection.fingerprints:
        group = BatchErrorGroup.objects.filter(batch=batch, group__fingerprint__in=selection.fingerprints)
        return int(group.aggregate(count=Sum("count", default=0))["count"])
    return int(batch.slices.aggregate(failed=Sum("failed", default=0))["failed"]) - batch.skipped_lines


def _send_again(batch: Batch, selection: Selection, pieces: Sequence[Slice], *, now: datetime) -> int:
    """Begin a new round for the failed objects of these locked slices. Return how many there are."""
    lines: list[int] = []
    changed = []
    for piece in pieces:
        found = chosen(batch, selection, first_line=piece.first_line, last_line=piece.last_line, statuses=(ObjectStatus.FAILED,))
        if found:
            lines += [item.line for item in found]
            changed.append(piece.pk)
    if not lines:
        return 0
    BatchObject.objects.filter(batch=batch, line__in=lines).update(**_UNSENT, round=F("round") + 1)
    # Errors are indexed by fingerprint, so they are looked up by it.
    fingerprints = list(ErrorGroup.objects.filter(in_batches__batch=batch).values_list("fingerprint", flat=True))
    errors = BatchError.objects.filter(batch=batch, fingerprint__in=fingerprints, line__gte=min(lines), line__lte=max(lines))
    open_errors = errors.filter(line__in=lines, round__isnull=False, retried_at=None)
    retried = dict(open_errors.order_by().values_list("fingerprint").annotate(count=Count("pk")))
    open_errors.update(retried_at=now)
    Slice.objects.filter(pk__in=changed).update(not_before=None)
    recount(changed)
    count_fewer(batch, retried)
    return len(lines)


def _note_more(batch: Batch, event: Event, *, now: datetime, note: str, **changes: object) -> None:
    """Update the note of the event. Raises LostRace when the batch no longer runs."""
    if not Batch.objects.filter(pk=batch.pk, status=BatchStatus.IN_PROGRESS).update(updated_at=now, **changes):
        raise LostRace
    batch.refresh_from_db()
    batch.forget_counts()
    Event.objects.filter(pk=event.pk).update(note=note[:NOTE_CHARS])


def _objects(count: int) -> str:
    return f"{counted(count, 'object')} in place."
