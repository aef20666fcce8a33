"""Recoveries that are counted wrongly are found and mended; what is counted rightly is left alone."""

import pytest
from django.utils import timezone

from batches.models import Batch, BatchErrorGroup, Project
from batches.rules.states import Act
from batches.services.consistency import recoveries
from batches.services.consistency.verify import disagreements, mend
from tests.cast import TESTER, request_lines, started
from tests.rounds import at, child_of, completed, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def root(project: Project) -> Batch:
    """Four objects of which two failed; one of them succeeded in a retry."""
    root = completed(started(project, request_lines(4)), odd={1}, late={2})
    completed(child_of(root, at(2)))
    return Batch.objects.get(pk=root.pk)


def found() -> list[str]:
    return [str(each.text) for each in disagreements(Batch.objects.all(), now=timezone.now(), checks=recoveries.CHECKS)]


def test_true_counts_agree_also_while_a_retry_runs(root: Batch) -> None:
    run(child_of(root, at(1)), odd={1})
    assert found() == []


def test_wrong_counts_are_found_and_counted_anew(root: Batch) -> None:
    """O9: `verify` proves and mends what is counted."""
    Batch.objects.filter(pk=root.pk).update(recovered_failed=2)
    BatchErrorGroup.objects.filter(batch=root).update(recovered=0)
    (text,) = found()
    assert text.startswith("2 failed are counted as recovered and 1 ought to be, 0 v")
    (mended,) = mend(Batch.objects.all(), actor=TESTER, now=timezone.now(), checks=recoveries.CHECKS)
    assert mended.done == "Counted what its retries recovered anew."
    assert Batch.objects.get(pk=root.pk).recovered_failed == 1
    assert root.events.filter(act=Act.REPAIRED).count() == 1
    assert found() == []


def test_a_batch_without_retries_that_claims_some_is_mended(root: Batch, project: Project) -> None:
    alone = completed(started(project, request_lines(2)), odd={1})
    Batch.objects.filter(pk=alone.pk).update(recovered_failed=1)
    assert len(found()) == 1
    assert len(list(mend(Batch.objects.all(), actor=TESTER, now=timezone.now(), checks=recoveries.CHECKS))) == 1
    assert found() == []
