"""How two batches ran, side by side: who called, how long it took, what it cost, and what was paid in vain."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from batches.console.drawing.words import amount, between
from batches.models import Batch
from batches.rules.execution import Execution
from batches.services.insight.provider_jobs import NO_JOBS, JobSums, bill_of, job_sums


@dataclass(frozen=True, slots=True)
class Side:
    """One figure of both batches, in words."""

    label: str
    first: str
    second: str


def sides(first: Batch, second: Batch) -> list[Side]:
    """The figures of two batches side by side. One query."""
    sums = job_sums([first, second])
    pairs = zip(_figures(first, sums.get(first.pk, NO_JOBS)), _figures(second, sums.get(second.pk, NO_JOBS)), strict=True)
    has_jobs = bool(sums)
    return [Side(label, one, other) for (label, one, of_jobs), (_, other, _) in pairs if has_jobs or not of_jobs]


def _figures(batch: Batch, sums: JobSums) -> Iterator[tuple[str, str, bool]]:
    """The label and words of each figure, and whether it is about provider jobs."""
    bill, currency = bill_of(batch, sums), settings.CURRENCY
    has_jobs = Execution(batch.execution).is_handed_over
    end = batch.ended_at or timezone.now()
    yield "Execution", batch.execution, False
    yield "Duration", between(batch.created_at, end) + ("" if batch.is_terminal else ", so far"), False
    yield "Cost", f"{amount(bill.cost)} {currency}" if bill.is_known else "not known", False
    yield "Cost if sent directly", f"{amount(bill.direct)} {currency}" if bill.is_known else "not known", True
    yield "Provider jobs", f"{sums.jobs:,}" if has_jobs else "—", True
    yield "Duplicates and too late", f"{sums.paid_in_vain:,}" if has_jobs else "—", True
    yield "Paid in vain", f"{amount(bill.wasted)} {currency}" if has_jobs and bill.is_known else "—", True
    yield "Saved", f"{amount(bill.saved)} {currency}" if has_jobs and bill.is_known else "—", True
