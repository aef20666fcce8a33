"""What the database itself refuses, whoever writes to it."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from batches.models import Attempt, Batch, BatchObject, BatchResult, Project, ProviderGrant, Slice
from batches.rules.states import OPEN, STAMPS, TERMINAL, BatchStatus, ObjectStatus
from providers.models import Provider
from tests.cast import request_lines, started, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project: Project, simulator: Provider) -> Batch:
    """A running batch of three objects in one slice."""
    return started(project, request_lines(3))


def refused(model: type[Any], row: Any, **changes: Any) -> bool:
    """Whether the database refuses this change of a row."""
    try:
        with transaction.atomic():
            model.objects.filter(pk=row.pk).update(**changes)
    except IntegrityError:
        return True
    return False


def test_a_batchs_status_is_one_of_the_eight(batch: Batch) -> None:
    assert refused(Batch, batch, status="paused")
    assert refused(Batch, batch, status="")


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_batch_has_an_end_if_and_only_if_it_is_over(batch: Batch, status: BatchStatus) -> None:
    now = timezone.now()
    stamps = {STAMPS[status]: now}
    assert refused(Batch, batch, status=status, ended_at=None, **stamps)
    assert not refused(Batch, batch, status=status, ended_at=now, **stamps)


@pytest.mark.parametrize("status", sorted(OPEN))
def test_a_batch_that_is_not_over_has_no_end(batch: Batch, status: BatchStatus) -> None:
    now = timezone.now()
    assert refused(Batch, batch, status=status, ended_at=now, **{STAMPS[status]: now})


@pytest.mark.parametrize("status", sorted(set(BatchStatus) - {BatchStatus.VALIDATING}))
def test_a_status_that_was_reached_is_stamped(batch: Batch, status: BatchStatus) -> None:
    now = timezone.now()
    ended = {"ended_at": now if status in TERMINAL else None}
    assert refused(Batch, batch, status=status, **{STAMPS[status]: None}, **ended)
    assert not refused(Batch, batch, status=status, **{STAMPS[status]: now}, **ended)


@pytest.mark.parametrize("model", [Batch, Slice])
@pytest.mark.parametrize("count", ["total", *(status.value for status in ObjectStatus)])
def test_counts_add_up(batch: Batch, model: type[Any], count: str) -> None:
    row = model.objects.get()
    assert refused(model, row, **{count: getattr(row, count) + 1})
    assert not refused(model, row, total=row.total + 1, failed=row.failed + 1)


@pytest.mark.parametrize("count", ["pending", "succeeded", "input_tokens"])
def test_no_count_is_negative(batch: Batch, count: str) -> None:
    assert refused(Slice, Slice.objects.get(), **{count: -1, "total": 2})


def test_a_batch_does_not_end_with_objects_that_still_wait(batch: Batch) -> None:
    now = timezone.now()
    ended = {"status": BatchStatus.COMPLETED, "completed_at": now, "ended_at": now}
    assert refused(Batch, batch, total=1, pending=1, **ended)
    assert not refused(Batch, batch, total=1, succeeded=1, **ended)


def test_an_objects_status_is_one_of_the_five(batch: Batch) -> None:
    row = BatchObject.objects.all()[0]
    assert refused(BatchObject, row, status="running", settled_at=timezone.now())


def test_an_object_is_settled_if_and_only_if_it_does_not_wait(batch: Batch) -> None:
    row = BatchObject.objects.all()[0]
    assert refused(BatchObject, row, settled_at=timezone.now())
    for status in set(ObjectStatus) - {ObjectStatus.PENDING}:
        assert refused(BatchObject, row, status=status, settled_at=None)
        assert not refused(BatchObject, row, status=status, settled_at=timezone.now())


def test_a_line_and_a_custom_id_are_in_a_batch_once(batch: Batch, project: Project) -> None:
    row = BatchObject.objects.get(line=1)
    assert refused(BatchObject, row, line=2)
    assert refused(BatchObject, row, custom_id="row-2")
    other = started(project, request_lines(3))
    assert BatchObject.objects.filter(batch=other, custom_id="row-2", line=2).exists(), "another batch may have the same"


def test_the_longest_custom_id_in_the_widest_letters_fits_its_index(project: Project, simulator: Provider) -> None:
    row = BatchObject.objects.filter(batch=started(project, request_lines(1))).get()
    widest = "".join(chr(0x1F300 + number) for number in range(512))
    assert not refused(BatchObject, row, custom_id=widest)


def test_a_round_has_one_result_and_an_attempt_one_row(batch: Batch) -> None:
    now = timezone.now()
    result = {"batch": batch, "line": 1, "round": 1, "status": "succeeded", "attempts": 1, "created_at": now}
    attempt = {"batch": batch, "line": 1, "round": 1, "number": 1, "kind": "timeout", "answered": False, "latency_ms": 1}
    BatchResult.objects.create(**result)
    Attempt.objects.create(**attempt, retry_at=now, created_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        BatchResult.objects.create(**result)
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.create(**attempt, retry_at=now, created_at=now)
    BatchResult.objects.create(**result | {"round": 2})


def test_a_line_begins_one_slice(batch: Batch) -> None:
    piece = Slice.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Slice.objects.create(
            batch=batch, first_line=piece.first_line, last_line=9, input_start=0, input_end=1, total=0, pending=0
        )


def test_a_provider_is_granted_once(project: Project, simulator: Provider) -> None:
    ProviderGrant.objects.create(project=project, provider=simulator)
    with pytest.raises(IntegrityError), transaction.atomic():
        ProviderGrant.objects.create(project=project, provider=simulator)


def test_a_file_that_a_batch_reads_cannot_be_deleted_from_under_it(project: Project, simulator: Provider) -> None:
    batch = submitted(project, request_lines(1))
    assert batch.input_file is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        batch.input_file.delete()
