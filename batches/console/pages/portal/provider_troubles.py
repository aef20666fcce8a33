"""Providers in trouble: those that batches of the reader wait for, and that are down, do not answer or turn everything away."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.http import urlencode

from batches.console.drawing.provider_state import ProviderRow
from batches.console.kit.lists.paging import capped, capped_count
from batches.models import Batch, Slice
from batches.rules.states import BatchStatus
from batches.services.core.access import Access
from batches.services.insight.throughput import Backlog, backlog

MOST_SHOWN = 10  # of a portal with more providers in trouble than this, the rest is on the page of providers


@dataclass(frozen=True, slots=True)
class Trouble:
    """A provider in trouble, as one reader sees it: `batches` and `waiting` are those of the reader's projects."""

    row: ProviderRow
    batches: int
    waiting: Backlog
    address: str

    @property
    def count(self) -> str:
        return capped(self.batches)


def troubles(access: Access, rows: Iterable[ProviderRow], *, now: datetime) -> list[Trouble]:
    """The providers in trouble that batches of the reader's projects wait for. Account problems have a card of their own."""
    found = [row for row in rows if row.state.is_trouble and not (row.health and row.health.has_account_problem)]
    return [trouble for row in found[:MOST_SHOWN] if (trouble := _trouble(access, row, now=now)).batches]


def _trouble(access: Access, row: ProviderRow, *, now: datetime) -> Trouble:
    running = access.within(Batch.objects.filter(provider=row.provider, status=BatchStatus.IN_PROGRESS))
    pieces = Slice.objects.filter(batch__provider=row.provider, batch__status=BatchStatus.IN_PROGRESS)
    question = urlencode({"status": BatchStatus.IN_PROGRESS.value, "provider": row.provider.name})
    return Trouble(
        row,
        capped_count(running),
        backlog(access.within(pieces, project="batch__project"), now=now),
        f"{reverse('console:batches')}?{question}",
    )
