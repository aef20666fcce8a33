"""Which jobs are created next: as many as a provider takes, of each project in turn, and none while its queue is full."""

from datetime import timedelta

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import Batch, Project, ProviderJob
from batches.rules.errors import LostRace
from batches.rules.execution import JobState
from batches.services.delegation import due
from batches.services.delegation.creating.submitting import not_created
from batches.services.delegation.due import BUSY, QUEUE_FULL, anything_due, hold_back, let_next, renew, take_due
from providers.base import Failure
from providers.failures import Kind
from providers.models import Provider
from tests.services.delegation.conftest import HandOver

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def taken(most: int = 16) -> list[ProviderJob]:
    return take_due(uuid7(), now=timezone.now(), most=most)


def test_a_provider_gets_as_many_jobs_as_it_has_room_for_and_projects_take_turns(far: Provider, handed_over: HandOver) -> None:
    Provider.objects.filter(pk=far.pk).update(max_open_jobs=4)
    other = Project.objects.create(slug="other", name="other", may_delegate=True)
    large, small = handed_over(20), handed_over(4, of=other)

    jobs = taken()

    assert [job.batch_id for job in jobs].count(large[0].batch_id) == 2
    assert [job.batch_id for job in jobs].count(small[0].batch_id) == 2
    assert taken() == []


def test_jobs_of_one_project_hide_no_other_however_many_they_are(
    far: Provider, handed_over: HandOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "LOOKED_AT", 12)
    Provider.objects.filter(pk=far.pk).update(max_open_jobs=2)
    other = Project.objects.create(slug="other", name="other", may_delegate=True)
    large, small = handed_over(60), handed_over(2, of=other)

    assert {job.batch_id for job in taken()} == {large[0].batch_id, small[0].batch_id}


def test_a_full_queue_holds_the_other_jobs_back_until_there_is_room(handed_over: HandOver) -> None:
    refused, *others = handed_over(8)
    now = timezone.now()
    assert hold_back(refused, until=now + HOUR, note=QUEUE_FULL, now=now) == 3
    ProviderJob.objects.filter(pk=refused.pk).update(poll_at=now + HOUR, note=QUEUE_FULL)

    assert taken() == []
    let_next(refused, BUSY, now=now)
    assert taken() == []
    let_next(refused, QUEUE_FULL, now=now)
    assert len(taken()) == 1
    assert len(others) == 3


def test_a_job_that_is_refused_for_the_moment_keeps_the_others_from_asking(handed_over: HandOver) -> None:
    jobs = handed_over(8)
    (asked,) = taken(1)

    failure = Failure(Kind.RATE_LIMITED, "Too many jobs.", http_status=429)
    not_created(asked, failure, later=True, now=timezone.now())

    assert set(ProviderJob.objects.filter(pk__in=[job.pk for job in jobs]).values_list("note", flat=True)) == {BUSY}
    assert taken() == []


def test_only_jobs_that_are_worked_on_keep_their_leases(handed_over: HandOver) -> None:
    handed_over(4)
    owner = uuid7()
    kept, dropped = take_due(owner, now=timezone.now(), most=2)
    ProviderJob.objects.update(lease_expires_at=timezone.now() - HOUR)

    renew(owner, [kept.pk])

    assert [job.pk for job in taken()] == [dropped.pk]
    with pytest.raises(LostRace):
        due.put_off(dropped, seconds=1, now=timezone.now())


def test_jobs_that_wait_for_their_batch_or_for_room_wake_nobody(far: Provider, handed_over: HandOver) -> None:
    jobs = handed_over(4)
    now = timezone.now()
    assert anything_due(now=now)

    Batch.objects.filter(pk=jobs[0].batch_id).update(paused_at=now)
    assert not anything_due(now=now)
    Batch.objects.filter(pk=jobs[0].batch_id).update(paused_at=None)

    Provider.objects.filter(pk=far.pk).update(max_open_jobs=1)
    there = {"state": JobState.RUNNING, "sent_at": now, "started_at": now}
    ProviderJob.objects.filter(pk=jobs[0].pk).update(poll_at=now + HOUR, **there)
    assert not anything_due(now=now)
    assert anything_due(now=now + HOUR)
