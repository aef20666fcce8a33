"""Whose batch is validated or ended next: no project waits until all of another's are done (S2)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import Batch, BatchObject, Project, Slice
from batches.rules.states import BatchStatus
from batches.services.control.cancel import cancel
from batches.services.lifecycle import control_turns
from batches.services.lifecycle.control_turns import finalize_next, validate_next
from providers.models import Provider
from tests.cast import TESTER, request_lines, started, submitted

MANY = 12


@pytest.fixture
def many(project: Project, simulator: Provider) -> list[Batch]:
    """Batches of one project that wait for validation."""
    return [submitted(project, request_lines(1)) for _ in range(MANY)]


def of(project: Project, status: BatchStatus) -> int:
    return Batch.objects.filter(project=project, status=status).count()


@pytest.mark.django_db
def test_a_project_with_many_batches_does_not_keep_another_from_being_validated(
    many: list[Batch], other_project: Project
) -> None:
    late = [submitted(other_project, request_lines(1)) for _ in range(2)]
    for batch in many:  # as many messages, all about those of the one project
        validate_next(batch.pk, now=timezone.now())
        if of(other_project, BatchStatus.IN_PROGRESS) == len(late):
            break
    assert of(other_project, BatchStatus.IN_PROGRESS) == len(late)


@pytest.mark.django_db
def test_who_is_worked_for_already_comes_after_who_is_not(many: list[Batch], other_project: Project) -> None:
    Batch.objects.filter(pk=many[0].pk).update(lease_expires_at=timezone.now() + timedelta(minutes=1))
    late = submitted(other_project, request_lines(1))
    validate_next(many[1].pk, now=timezone.now())
    late.refresh_from_db()
    assert late.status == BatchStatus.IN_PROGRESS


@pytest.mark.django_db
def test_where_only_one_project_waits_the_batch_that_is_told_of_is_validated(many: list[Batch]) -> None:
    validate_next(many[7].pk, now=timezone.now())
    assert set(Batch.objects.filter(status=BatchStatus.IN_PROGRESS).values_list("pk", flat=True)) == {many[7].pk}


@pytest.mark.django_db
def test_as_many_messages_as_batches_end_all_of_them(project: Project, other_project: Project, simulator: Provider) -> None:
    ended = [started(owner, request_lines(1)) for owner in (project, project, other_project)]
    for batch in ended:
        cancel(batch, actor=TESTER, now=timezone.now())
    for batch in ended:
        finalize_next(batch.pk, now=timezone.now())
    assert not Batch.objects.filter(ended_at=None).exists()


@pytest.mark.django_db
def test_one_that_waits_for_what_is_in_flight_keeps_no_other_from_its_end(
    project: Project, other_project: Project, simulator: Provider
) -> None:
    waits, ready = started(project, request_lines(1)), started(other_project, request_lines(1))
    Slice.objects.filter(batch=waits).update(lease_expires_at=timezone.now() + timedelta(minutes=1))
    for batch in (waits, ready):
        cancel(batch, actor=TESTER, now=timezone.now())
    for _ in range(3):
        finalize_next(ready.pk, now=timezone.now())
    ready.refresh_from_db()
    assert ready.status == BatchStatus.CANCELLED


@pytest.mark.django_db
def test_a_batch_that_is_done_ends_although_news_of_others_came_first(
    project: Project, other_project: Project, simulator: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_turns, "_look", control_turns.Look())
    first, done = started(project, request_lines(1)), started(other_project, request_lines(1))
    BatchObject.objects.filter(batch=done).update(status="cancelled", settled_at=timezone.now())
    Slice.objects.filter(batch=done).update(pending=0, cancelled=1)
    cancel(first, actor=TESTER, now=timezone.now())
    for _ in range(2):
        finalize_next(first.pk, now=timezone.now())
    done.refresh_from_db()
    assert done.is_terminal
