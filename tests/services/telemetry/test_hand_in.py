"""Adding what a process has counted to the database, and its report about itself."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.models import MetricTotal, ProcessReport
from batches.services.telemetry import counts
from batches.services.telemetry.catalogue import CLAIM_SECONDS, DUPLICATES
from batches.services.telemetry.hand_in import REPORT_SECONDS, forget_reports, hand_in, hand_in_quietly, reporter
from batches.services.telemetry.process import process_identity

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def reported_just_now(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process of the tests has just reported about itself, unless a test wants it otherwise."""
    was = reporter.reported_at
    monkeypatch.setattr(reporter, "reported_at", float("inf"))
    yield
    reporter.reported_at = was


def totals() -> dict[tuple[str, str], float]:
    return {(row.name, row.labels): row.total for row in MetricTotal.objects.all()}


def test_counts_are_added_to_those_of_all_processes() -> None:
    for _ in range(2):  # as two processes would
        counts.count(DUPLICATES, "job", by=2)
        counts.observe(CLAIM_SECONDS, seconds=[0.002])
        hand_in(now=timezone.now())

    assert totals() == {
        ("batchyard_claim_seconds", '["0.0025"]'): 2,
        ("batchyard_claim_seconds", '["sum"]'): pytest.approx(0.004),
        ("batchyard_duplicates", '["job"]'): 4,
    }


def test_all_counters_take_one_statement_and_none_if_nothing_was_counted() -> None:
    for kind in ("job", "late", "dropped"):
        counts.count(DUPLICATES, kind)

    with CaptureQueriesContext(connection) as first:
        hand_in(now=timezone.now())
    with CaptureQueriesContext(connection) as second:
        hand_in(now=timezone.now())

    assert (len(first), len(second)) == (1, 0)


class Away(DatabaseError):
    """The database is away."""


def test_counts_outlast_a_database_that_is_away() -> None:
    def refuse(*_: object) -> None:
        raise Away

    counts.count(DUPLICATES, "job")
    with connection.execute_wrapper(refuse):
        with pytest.raises(Away):
            hand_in(now=timezone.now())
        hand_in_quietly(now=timezone.now())
    counts.count(DUPLICATES, "job")
    hand_in(now=timezone.now())

    assert totals() == {("batchyard_duplicates", '["job"]'): 2}


def test_a_process_reports_its_memory_and_files_now_and_then() -> None:
    now = timezone.now()
    for later in (0.0, 1.0, REPORT_SECONDS):
        reporter.reported_at = float("-inf") if later != 1.0 else float("inf")
        counts.count(DUPLICATES, "job")
        hand_in(now=now + timedelta(seconds=later))

    report = ProcessReport.objects.get(process=process_identity())
    assert report.seen_at == now + timedelta(seconds=REPORT_SECONDS)
    assert report.resident_bytes > 10_000_000
    assert report.open_files > 3
    assert report.connections_in_use is None  # the threads of this process share no connections
    assert MetricTotal.objects.filter(name="batchyard_process_cpu_seconds", total__gt=0).count() == 1


def test_reports_of_processes_that_are_gone_are_forgotten() -> None:
    now = timezone.now()
    for process, minutes in (("old", 61), ("new", 59)):
        ProcessReport.objects.create(process=process, name=process, role="web", seen_at=now - timedelta(minutes=minutes))

    forget_reports(now=now)

    assert [row.process for row in ProcessReport.objects.all()] == ["new"]
