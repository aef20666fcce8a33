"""What the portal does all day costs as much as it touches, however large the tables are and whatever their statistics say.

Asserted of the rows that PostgreSQL really read (E16), beside 400,000 objects and as many results. `tests/test_postgresql.py`
runs this module on each further release of PostgreSQL that is installed.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

from batches.models import Batch, BatchObject, BatchResult, Dialect, Project, bulk
from batches.services.consistency.verify import verify_recent
from batches.services.control.cancel import cancel
from batches.services.control.enforce_guards import enforce_guards
from batches.services.insight.metrics.collect import SOURCES
from batches.services.insight.waiting import waiting
from batches.services.lifecycle.claim import Appetite, Lease, claim
from batches.services.lifecycle.expire import expire
from batches.services.lifecycle.finalize import finalize
from batches.services.lifecycle.settle import Report, settle
from batches.services.lifecycle.validate import validate
from batches.services.results.results import results, settled_results
from batches.services.retry.retry import retry
from batches.services.retry.selection import Selection
from batches.services.search.bounds import NEWEST
from batches.services.tally.late_batches import assess
from batches.services.tally.outcomes import Settled, Tried
from batches.services.upkeep.reconcile import reconcile
from providers.base import Failure, Success
from providers.failures import Kind
from providers.models import Provider
from tests.cast import TESTER, ended, request_lines, started, submitted
from tests.services.large_tables import LINES as LINES_EACH
from tests.services.large_tables import loaded

pytestmark = [pytest.mark.servers, pytest.mark.django_db]

BATCHES = 20_000
LINES, SLICE_LINES = 1000, 100
OTHERS = 3  # rows of further tables, and of further batches, for each that is touched

Reads = dict[str, int]


@pytest.fixture(scope="module")
def beside(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[int]:
    """How many objects of others there are. Statistics were taken when hardly any was."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        with loaded(batches=BATCHES):
            yield BATCHES * LINES_EACH


def nothing() -> None:
    """Statistics that were taken when the tables were nearly empty."""


def forget() -> None:
    """No statistics at all, as after a load or a restored dump."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pg_statistic")


def analyze() -> None:
    """Fresh statistics; of them nothing was pending, and nothing failed."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.fixture(params=[nothing, forget, analyze], ids=["stale", "none", "fresh"])
def large(request: pytest.FixtureRequest, beside: int, db: None) -> int:
    """Large tables, with statistics of each kind."""
    request.param()
    return beside


@pytest.fixture
def batch(large: int, project: Project, simulator: Provider, settings: Settings) -> Batch:
    """A batch of which nobody has statistics."""
    settings.SLICE_LINES = SLICE_LINES
    return started(project, request_lines(LINES))


def claimed(batch: Batch, *, slices: int = LINES) -> list[Lease]:
    found = claim(executor=uuid.uuid4(), appetite=Appetite(otherwise=slices), now=timezone.now())
    return [lease for lease in found if lease.piece.batch_id == batch.pk]


def report_of(*leases: Lease, good: bool = True) -> Report:
    """All objects of these slices settled."""
    failure = Failure(Kind.SERVER_ERROR, "It failed.", code="oops", http_status=500)
    outcome = Success(200, b"{}", "req") if good else failure
    settled, tried = [], []
    for lease in leases:
        piece = lease.piece
        lines = range(piece.first_line, piece.last_line + 1)
        settled += [Settled(piece.pk, piece.batch_id, line, 1, 1, 1, outcome) for line in lines]
        tried += [Tried(piece.pk, piece.batch_id, line, 1, 1, 1, failure, timezone.now()) for line in lines]
    return Report(
        batches={lease.piece.batch_id: lease.piece.batch for lease in leases},
        epochs={lease.piece.pk: lease.epoch for lease in leases},
        settled=settled,
        tried=tried,
        done={lease.piece.pk: None for lease in leases},
    )


def half_failed(batch: Batch) -> Batch:
    """The batch, with all of its objects settled, every second slice without success."""
    for number, lease in enumerate(claimed(batch)):
        settle(report_of(lease, good=number % 2 == 0), now=timezone.now())
    batch.refresh_from_db()
    return batch


def _reads() -> Reads:
    """Rows of each table that this transaction has read so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables")
        return dict(cursor.fetchall())


@contextmanager
def reading(*, at_most: int) -> Iterator[None]:
    """Fails when more rows of the portal's tables are read than this."""
    before = _reads()
    yield
    found = {table: rows - before.get(table, 0) for table, rows in _reads().items()}
    much = {table: rows for table, rows in found.items() if rows > at_most}
    assert not much, f"at most {at_most} rows of a table were to be read"


def test_the_check_finds_a_table_that_is_read_whole(large: int) -> None:
    with pytest.raises(AssertionError, match="batches_batchobject"), reading(at_most=large // 2):
        assert not BatchObject.objects.order_by().filter(latency_ms=7).exists()


def test_e16_a_flush_reads_what_it_settles(batch: Batch) -> None:
    *others, last, half = claimed(batch)
    settle(report_of(*others), now=timezone.now())
    with reading(at_most=OTHERS * SLICE_LINES):
        settle(report_of(last), now=timezone.now())
    with reading(at_most=OTHERS * SLICE_LINES):
        settle(report_of(half, good=False), now=timezone.now())
    assert BatchResult.objects.filter(batch=batch).count() == LINES
    assert not BatchObject.objects.filter(batch=batch, status="pending").exists()


def test_e16_a_flush_looks_up_each_object_it_settles(batch: Batch) -> None:
    """The blocks that the one statement touched: the depth of an index, and a page, for each row."""
    (lease,) = claimed(batch, slices=1)
    blocks: list[int] = []

    def explained(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not sql.lstrip().startswith("UPDATE batches_batchobject"):
            return execute(sql, params, many, context)
        done = execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params, many, context)
        plan = context["cursor"].fetchone()[0][0]["Plan"]
        (join,) = plan["Plans"]
        assert join["Node Type"] == "Nested Loop"
        blocks.append(join["Shared Hit Blocks"] + join["Shared Read Blocks"])
        return done

    with connection.execute_wrapper(explained):
        settle(report_of(lease), now=timezone.now())

    assert len(blocks) == 1
    assert blocks[0] <= 6 * SLICE_LINES


def _claim_again(batch: Batch) -> None:
    leases = claimed(batch, slices=2)
    retried = report_of(*leases)
    now = timezone.now()
    later = dict.fromkeys(retried.done, now)
    settle(Report(retried.batches, retried.epochs, tried=retried.tried, done=later), now=now)
    claim(executor=uuid.uuid4(), appetite=Appetite(otherwise=2), now=now + timedelta(minutes=1))


def _reconcile(batch: Batch) -> None:
    reconcile(now=timezone.now())


def _guards(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(max_tokens=10**9)
    enforce_guards(now=timezone.now(), among=[batch.pk])
    enforce_guards(now=timezone.now())


def _validate(batch: Batch) -> None:
    again = submitted(batch.project, request_lines(LINES))
    validate(again.pk, now=timezone.now())


def _finalize(batch: Batch) -> None:
    half_failed(batch)
    assert ended(batch).status == "completed"
    assert sum(1 for _ in results(batch)) == LINES


def _cancel(batch: Batch) -> None:
    cancel(batch, actor=TESTER, now=timezone.now())
    finalize(batch.pk, now=timezone.now())


def _expire(batch: Batch) -> None:
    expire(batch, actor=TESTER, now=timezone.now())
    finalize(batch.pk, now=timezone.now())


def _retry(batch: Batch) -> None:
    retry(half_failed(batch), selection=Selection(), actor=TESTER, now=timezone.now())


def _results(batch: Batch) -> None:
    half_failed(batch)
    settled_results(batch, after_line=3, limit=100, max_chars=10**6)


def _waits(batch: Batch) -> None:
    assert waiting(batch, now=timezone.now()) is not None


def _assess(batch: Batch) -> None:
    assess(now=timezone.now())


# What is done, and how often it may read each of the objects of a batch.
ACTS: tuple[tuple[Callable[[Batch], None], float], ...] = (
    (_claim_again, 2),
    (_reconcile, 0.1),
    (_guards, 0.1),
    (_validate, 1.5),
    (_finalize, 10),
    (_cancel, 8),
    (_expire, 8),
    (_retry, 10),
    (_results, 8),
    (_waits, 0.1),
    (_assess, 0.1),
)


@pytest.mark.parametrize(("act", "times"), ACTS, ids=[act.__name__.strip("_") for act, _ in ACTS])
def test_e16_what_goes_on_all_day_reads_what_it_touches(batch: Batch, act: Callable[[Batch], None], times: float) -> None:
    with reading(at_most=int(times * LINES)):
        act(batch)


@pytest.mark.parametrize("path", ["/v1/batches/{batch}", "/v1/batches", "/v1/files", "/v1/messages/batches"])
def test_e16_clients_that_ask_again_and_again_read_a_page(batch: Batch, path: str, key: str) -> None:
    Batch.objects.filter(pk=batch.pk).update(dialect=Dialect.OPENAI)
    with reading(at_most=200):
        assert Client(headers={"Authorization": f"Bearer {key}"}).get(path.format(batch=batch)).status_code == 200


@pytest.mark.parametrize("text", ["row-1", "row-0", "req_77", "nothing", "nightly", "team=search"])
def test_a_search_reads_no_more_than_its_bounds(batch: Batch, text: str, admin_client: Client) -> None:
    """`row-1` is the custom_id of a request of every batch of the others, `req_77` the request id of all requests of one.

    An index of request ids names ranges of pages, and the last range is not in it yet.
    """
    admin_client.get("/console/account/inactive/")
    with reading(at_most=NEWEST * 10):
        assert admin_client.get(f"/console/search/?q={text}&fragment=1").status_code == 200


def test_e18_a_look_of_the_beat_is_bounded(batch: Batch) -> None:
    half_failed(batch)
    with reading(at_most=20 * LINES):
        verify_recent(now=timezone.now())


@pytest.mark.parametrize("source", list(SOURCES))
def test_metrics_read_what_is_open_and_no_more(batch: Batch, source: str) -> None:
    with reading(at_most=200), bulk.within(seconds=60):
        assert list(SOURCES[source](timezone.now()))
