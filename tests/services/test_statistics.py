"""PostgreSQL plans badly for a batch that it has no statistics of, and a new batch has none: no query may depend on them."""

import uuid

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchResult, Project
from batches.services.lifecycle.claim import Appetite, Lease, claim
from batches.services.lifecycle.settle import Report, settle
from batches.services.results.results import settled_results
from batches.services.tally.outcomes import Settled
from providers.base import Success
from providers.models import Provider
from tests.cast import request_lines, started

LINES, SLICE_LINES = 1000, 100


@pytest.fixture
def unknown(project: Project, simulator: Provider, settings: Settings) -> tuple[Batch, Lease]:
    """A batch of which all is settled but the last slice, beside an older one, the only one that was analyzed."""
    settings.SLICE_LINES = SLICE_LINES
    for lease in _leases(started(project, request_lines(LINES))):
        _settle(lease)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    batch = started(project, request_lines(LINES))
    *leases, last = _leases(batch)
    for lease in leases:
        _settle(lease)
    return batch, last


@pytest.mark.servers
@pytest.mark.django_db
def test_a_flush_reads_no_other_results_than_its_own(unknown: tuple[Batch, Lease]) -> None:
    _, lease = unknown
    before = _results_read()

    _settle(lease)

    assert _results_read() - before <= 2 * SLICE_LINES


@pytest.mark.servers
@pytest.mark.django_db
def test_a_page_of_results_reads_no_others(unknown: tuple[Batch, Lease]) -> None:
    batch, _ = unknown
    before = _results_read()

    page, _ = settled_results(batch, after_line=SLICE_LINES, limit=SLICE_LINES, max_chars=10**6)

    assert [result.line for result in page] == list(range(SLICE_LINES + 1, 2 * SLICE_LINES + 1))
    assert _results_read() - before <= 2 * SLICE_LINES + 1, "their sizes, those of one more, and themselves"


def _leases(batch: Batch) -> list[Lease]:
    found = claim(executor=uuid.uuid4(), appetite=Appetite(otherwise=LINES), now=timezone.now())
    assert {lease.piece.batch_id for lease in found} == {batch.pk}
    return found


def _settle(lease: Lease) -> None:
    piece = lease.piece
    outcome = Success(200, b"{}", "")
    settled = [Settled(piece.pk, piece.batch_id, line, 1, 1, 1, outcome) for line in range(piece.first_line, piece.last_line + 1)]
    batches, epochs = {piece.batch_id: piece.batch}, {piece.pk: lease.epoch}
    settle(Report(batches=batches, epochs=epochs, settled=settled, done={piece.pk: None}), now=timezone.now())


def _results_read() -> int:
    """Rows of results that this transaction has read so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_user_tables WHERE relname = %s",
            [BatchResult._meta.db_table],
        )
        (count,) = cursor.fetchone()
    return int(count)
