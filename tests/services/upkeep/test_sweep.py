"""Rows of batches that are gone are deleted in small pieces, and a killed run is gone on with."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, BatchResult, Leftover, Project, Slice
from batches.rules.actors import RECONCILE
from batches.services.consistency.orphans import HOT, orphan_rows
from batches.services.consistency.verify import disagreements
from batches.services.lifecycle.expire import expire
from batches.services.upkeep.budget import Budget
from batches.services.upkeep.old_batches import remove_old_batches
from batches.services.upkeep.retention import prune_results
from batches.services.upkeep.sweep import sweep
from tests.cast import ended, request_lines, started
from tests.services.pruned import mixed
from tests.services.upkeep.conftest import long_ago

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


class Killed(BaseException):
    """The process ends here."""


class Pieces(Budget):
    """A budget of so many pieces, after which the process is killed, or the budget is spent."""

    def __init__(self, pieces: int, *, kill: bool = False) -> None:
        super().__init__(3600)
        self.left, self.kill = pieces, kill

    @property
    def is_spent(self) -> bool:
        return self.left <= 0 and not self.kill

    @contextmanager
    def piece(self) -> Iterator[None]:
        if self.left <= 0:
            raise Killed
        self.left -= 1
        yield


@pytest.fixture
def old(project: Project, settings: Settings) -> Batch:
    """A batch of 500 requests that ended long ago."""
    settings.BATCH_RETENTION_DAYS, settings.PRUNE_ROWS = 30, 100
    batch = started(project, request_lines(500))
    Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now())
    batch.refresh_from_db()
    expire(batch, actor=RECONCILE, now=timezone.now())
    batch = ended(batch)
    assert batch.is_terminal
    long_ago(batch, 40)
    return batch


def rows() -> int:
    return sum(table._default_manager.count() for table in HOT)


def test_a_batch_is_gone_at_once_and_its_rows_follow_in_pieces(old: Batch) -> None:
    assert remove_old_batches(now=timezone.now(), budget=Pieces(3)) == 1

    assert not Batch.objects.exists()
    assert not Slice.objects.exists()
    assert 0 < BatchObject.objects.count() < 500
    assert list(orphan_rows()) == [], "verify knows what is being removed"

    assert sweep(budget=Pieces(100))
    assert rows() == 0
    assert not Leftover.objects.exists()


@pytest.mark.parametrize("pieces", range(1, 9))
def test_a_killed_run_is_gone_on_with_wherever_it_was(old: Batch, pieces: int) -> None:
    with pytest.raises(Killed):
        remove_old_batches(now=timezone.now(), budget=Pieces(pieces, kill=True))
    assert list(orphan_rows()) == []
    while not sweep(budget=Pieces(1)):
        pass
    assert rows() == 0


def test_no_statement_deletes_more_rows_than_it_may(old: Batch) -> None:
    remove_old_batches(now=timezone.now(), budget=Pieces(1))
    before = BatchObject.objects.count()
    while not sweep(budget=Pieces(1)):
        after = BatchObject.objects.count()
        assert before - after <= 100
        before = after


def test_a_pruned_batch_verifies_at_every_moment(project: Project, settings: Settings) -> None:
    settings.PRUNE_ROWS = 100
    batch = mixed(project, settings)
    later = timezone.now() + timedelta(days=2)
    prune_results(now=later, budget=Pieces(1))
    assert BatchResult.objects.exists()
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []
    assert sweep(budget=Pieces(100))
    assert not BatchResult.objects.exists()
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []
    assert Batch.objects.get() == batch


def test_a_portal_with_nothing_left_over_asks_one_question(db: None) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert sweep()
    assert len([query for query in asked.captured_queries if "batches_leftover" in query["sql"]]) == 1


def test_each_piece_is_followed_by_a_pause_in_proportion_and_a_run_ends_in_time() -> None:
    now, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    budget = Budget(10.0, clock=lambda: now[0], sleep=sleep)
    while not budget.is_spent:
        with budget.piece():
            now[0] += 0.1
    assert slept[0] == pytest.approx(0.2)
    assert now[0] <= 10.2
    assert sum(slept) / now[0] == pytest.approx(2 / 3, abs=0.02)
