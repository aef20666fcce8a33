"""Two delegators at one job: one of them was slow, or stood still, and its lease has run out."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as portal
from django.utils import timezone
from pytest_django import Settings
from uuid_utils.compat import uuid7

from batches.models import ProviderJob
from batches.rules.errors import LostRace
from batches.rules.execution import JobState
from batches.services.delegation import due
from batches.services.delegation.creating import submitting
from batches.services.delegation.creating.hand_over import hand_over_some
from providers.jobs import client
from providers.jobs.base import JobStatus, Row, Snapshot
from tests.batch_apis import Create, Plan
from tests.engine.delegation.conftest import Stage
from tests.engine.delegation.proofs import assert_whole
from tests.together import thread
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 4


def test_a_delegator_that_waits_for_an_answer_too_long_loses_its_job_to_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CALL_SECONDS", 3.0)
    stage.apis.plan(Plan(create=Create.SILENT_AFTER))
    batch = stage.batch(ROWS)
    slow = thread(stage.work)
    slow.start()
    until(lambda: stage.apis.jobs)

    _let_leases_run_out()
    batch = stage.play(batch)
    slow.join(PATIENCE)

    assert (batch.succeeded, len(stage.apis.jobs)) == (ROWS, 1)
    assert_whole(stage, batch, rows=ROWS)


def test_what_a_delegator_without_a_lease_has_to_say_changes_nothing(stage: Stage) -> None:
    batch = stage.batch(ROWS)
    hand_over_some(now=timezone.now())
    (slow,) = due.take_due(uuid7(), now=timezone.now(), most=1)
    assert submitting.begin_sending(slow, before="", now=timezone.now())
    _let_leases_run_out()
    batch = stage.play(batch)

    with pytest.raises(LostRace):
        submitting.created(slow, Snapshot("batch_other", JobStatus.RUNNING, "in_progress"), now=timezone.now())

    assert [job.remote_id for job in stage.jobs(batch)] == [job.id for job in stage.apis.jobs]
    assert_whole(stage, batch, rows=ROWS)


def test_a_process_that_stood_still_before_its_create_call_does_not_make_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = stage.batch(ROWS)
    begin = submitting.begin_sending

    def slowly(job: ProviderJob, **more: Any) -> bool:
        begun = begin(job, **more)
        late = timezone.now() - timedelta(seconds=portal.JOB_DOUBT_SECONDS)
        job.sent_at = late  # so long ago, for this process
        return begun

    with monkeypatch.context() as once:
        once.setattr(submitting, "begin_sending", slowly)
        stage.work()

    assert stage.apis.jobs == []
    assert [job.state for job in stage.jobs(batch)] == [JobState.UNCERTAIN]
    batch = stage.play(batch)
    assert (batch.succeeded, len(stage.apis.jobs)) == (ROWS, 1)


def test_a_delegator_that_writes_a_long_input_keeps_its_lease(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.LEASE_SECONDS = 1
    begun, go_on = threading.Event(), threading.Event()
    read = submitting.rows_of

    def slowly(job: ProviderJob) -> Iterator[list[Row]]:
        begun.set()
        assert go_on.wait(PATIENCE)
        yield from read(job)

    monkeypatch.setattr(submitting, "rows_of", slowly)
    batch = stage.batch(ROWS)
    slow = thread(stage.work)
    slow.start()
    assert begun.wait(PATIENCE)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert due.take_due(uuid7(), now=timezone.now(), most=1) == []
        threading.Event().wait(0.1)
    go_on.set()
    slow.join(PATIENCE)

    batch = stage.play(batch)
    assert (batch.succeeded, len(stage.apis.jobs)) == (ROWS, 1)


def _let_leases_run_out() -> None:
    ProviderJob.objects.exclude(lease_expires_at=None).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
