"""Rounds of a batch: what an executor would settle, and then retries of it."""

import uuid
from collections.abc import Collection
from typing import Any

from django.utils import timezone

from batches.models import Batch, BatchError, BatchErrorGroup, BatchObject, File
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.settle import Report, settle
from batches.services.lifecycle.validate import validate
from batches.services.retry.order import RetryOrder
from batches.services.retry.retry import Retried, retry
from batches.services.retry.selection import EVERYTHING, Selection
from batches.services.tally.outcomes import Settled
from providers.base import Failure, Success, Usage
from providers.failures import Kind
from tests.cast import TESTER, ended, pending

TIMEOUT = Failure(Kind.TIMEOUT, "Too late.", code="timeout")
ODD = Failure(Kind.INVALID_REQUEST, "Odd.", code="odd", http_status=400, body=b'{"error":{}}', request_id="req_bad")


def run(batch: Batch, *, odd: Collection[int] = (), late: Collection[int] = (), keep: Collection[int] = ()) -> None:
    """Settle what is pending as an executor would: these lines fail, those are kept pending, the others succeed."""
    leases = claim(executor=uuid.uuid4(), appetite=Appetite(100), now=timezone.now())
    outcomes = {**dict.fromkeys(odd, ODD), **dict.fromkeys(late, TIMEOUT)}
    rows = []
    for lease in leases:
        for item in pending(lease) if lease.piece.batch_id == batch.pk else ():
            if item.line not in keep:
                success = Success(200, f'{{"round":{item.round}}}'.encode(), "req_ok", Usage(9, 3, 0, 0))
                outcome = outcomes.get(item.line, success)
                rows.append(Settled(lease.piece.pk, batch.pk, item.line, item.round, 1, 5, outcome))
    report = Report(
        batches=Batch.objects.in_bulk({lease.piece.batch_id for lease in leases}),
        epochs={lease.piece.pk: lease.epoch for lease in leases},
        settled=rows,
        done={lease.piece.pk: None for lease in leases},
    )
    settle(report, now=timezone.now())


def completed(batch: Batch, **failing: Collection[int]) -> Batch:
    """The batch after its end; see `run`."""
    run(batch, **failing)
    return ended(batch)


def validated(batch: Batch) -> Batch:
    """The batch once its input was found good."""
    validate(batch.id, now=timezone.now())
    batch.refresh_from_db()
    batch.forget_counts()
    return batch


def again(batch: Batch, selection: Selection = EVERYTHING, **more: Any) -> Retried:
    """What a retry does."""
    requests = more.pop("requests", None)
    return retry(batch, selection=selection, actor=TESTER, now=timezone.now(), order=RetryOrder(**more), requests=requests)


def child_of(batch: Batch, selection: Selection = EVERYTHING) -> Batch:
    """A retry of an ended batch, ready to run."""
    return validated(again(batch, selection).batch)


def at(*lines: int) -> Selection:
    return Selection(lines=frozenset(lines))


def group_of(batch: Batch, code: str) -> Selection:
    """The objects that failed with this code."""
    return Selection(frozenset({fingerprint_of(batch, code)}))


def fingerprint_of(batch: Batch, code: str) -> str:
    """The error group of the batch's failures with this code."""
    return str(BatchError.objects.filter(batch=batch, code=code)[0].fingerprint)


def failed(batch: Batch) -> set[int]:
    """The lines of what failed."""
    return set(BatchObject.objects.filter(batch=batch, status="failed").values_list("line", flat=True))


def groups(batch: Batch) -> dict[str, int]:
    """How many failures each error group of the batch counts, by code."""
    return dict(BatchErrorGroup.objects.filter(batch=batch).values_list("group__code", "count"))


def lines_of(file: File | None) -> list[bytes]:
    """The lines of a file."""
    assert file is not None
    with file.content.open("rb") as content:
        return bytes(content.read()).splitlines()
