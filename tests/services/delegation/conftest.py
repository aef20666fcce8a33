"""A provider with a batch API that nobody calls, a project that may use it, and jobs in any state."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Project, ProviderJob
from batches.rules.execution import JobState
from batches.rules.wire_ids import wire_id
from batches.services.delegation import due
from batches.services.delegation.creating import submitting
from batches.services.delegation.creating.hand_over import hand_over_some
from batches.services.delegation.prices import Prices
from batches.services.delegation.results import collecting, concluding
from batches.services.delegation.results.concluding import Reading
from batches.services.lifecycle.turns import candidates
from providers.base import Failure, Outcome, Success
from providers.failures import Kind
from providers.jobs.base import RowKind, RowResult
from providers.models import Provider
from tests.cast import provider_at, request_lines, started

HandOver = Callable[..., list[ProviderJob]]

GOOD = Success(200, b'{"ok":true}', "req_1", None)
BAD = Failure(Kind.INVALID_REQUEST, "The request is wrong.", code="wrong", http_status=400)


@pytest.fixture(autouse=True)
def small(settings: Settings) -> None:
    """Two slices in a job."""
    settings.SLICE_LINES = 5
    settings.JOB_ROWS = 10


@pytest.fixture(autouse=True)
def local(project: Project) -> Provider:
    """The portal's default provider. The project allows its batch API."""
    Project.objects.filter(pk=project.pk).update(may_delegate=True)
    project.refresh_from_db()
    return provider_at("http://127.0.0.1:9/v1", jobs_family="openai")


@pytest.fixture
def far(local: Provider, settings: Settings) -> Provider:
    """The provider, for jobs of one small slice each."""
    settings.SLICE_LINES = 2
    settings.JOB_ROWS = 2
    return local


@pytest.fixture
def handed_over(project: Project, far: Provider) -> HandOver:
    """Hands a batch of so many lines over. Its jobs, which are not created yet."""

    def begin(lines: int = 4, *, of: Project | None = None, **more: Any) -> list[ProviderJob]:
        batch = started(of or project, request_lines(lines), execution="delegated", **more)
        hand_over_some(now=timezone.now())
        return jobs_of(batch)

    return begin


def jobs_of(batch: Batch) -> list[ProviderJob]:
    return list(ProviderJob.objects.filter(batch=batch).order_by("first_line", "created_at"))


@dataclass
class Desk:
    """Batches of one project, and what a delegator does with their jobs, without any call."""

    project: Project

    def batch(self, rows: int = 20, *, execution: str = "delegated", **more: Any) -> Batch:
        """A running batch, handed over."""
        batch = started(self.project, request_lines(rows), execution=execution, **more)
        hand_over_some(now=timezone.now())
        return batch

    def jobs(self, batch: Batch) -> list[ProviderJob]:
        return list(ProviderJob.objects.filter(batch=batch).order_by("first_line", "created_at"))

    def in_state(self, job: ProviderJob, state: JobState, **more: Any) -> ProviderJob:
        """A job that came to this state just now."""
        now = timezone.now()
        at: dict[str, Any] = {} if state is JobState.PREPARING else {"sent_at": now}
        if state in (JobState.RUNNING, JobState.COLLECTING, JobState.ENDED):
            at |= {"started_at": now}
        if state is not JobState.PREPARING:
            at |= {"remote_id": f"remote-{job.pk}"}
        ProviderJob.objects.filter(pk=job.pk).update(state=state, poll_at=now, **(at | more))
        job.refresh_from_db()
        return job

    def leased(self, job: ProviderJob) -> ProviderJob:
        """The job, leased by a delegator."""
        now = timezone.now()
        ProviderJob.objects.filter(pk=job.pk).update(poll_at=now - timedelta(seconds=1), lease_expires_at=None)
        found = due.take_due(uuid.uuid4(), now=now, most=100)
        ProviderJob.objects.exclude(pk=job.pk).update(lease_expires_at=None)
        return next(one for one in found if one.pk == job.pk)

    def brings(self, job: ProviderJob, outcomes: dict[int, Outcome], *, round_: int = 1) -> ProviderJob:
        """A job whose results have these rows so far, by line."""
        leased = self.leased(self.in_state(job, JobState.COLLECTING, ending="completed"))
        rows = [
            RowResult(wire_id(job.pk, line=line, round_=round_), RowKind.OUTCOME, outcome) for line, outcome in outcomes.items()
        ]
        collecting.collect(leased, rows, Prices(leased), now=timezone.now())
        return leased

    def ends(self, job: ProviderJob, outcomes: dict[int, Outcome] | None = None) -> ProviderJob:
        """A job that has come home with these rows alone."""
        leased = self.brings(job, outcomes or {})
        late = timezone.now() + timedelta(days=1)
        leased.looks, leased.collecting_at = 5, timezone.now()
        assert concluding.finish(leased, Reading([]), now=late)
        return leased

    def withdraw(self, job: ProviderJob) -> bool:
        """Take the step of a job that is to be created. Whether it ended instead."""
        leased = self.leased(job)
        if submitting.may_be_created(leased):
            return False
        submitting.nothing_to_send(leased, now=timezone.now())
        return True


@pytest.fixture
def desk(project: Project) -> Desk:
    return Desk(project)


def lines_of(job: ProviderJob) -> Iterable[int]:
    return range(job.first_line, job.last_line + 1)


def sent_directly(batch: Batch) -> bool:
    """Whether executors may take up requests of a batch."""
    return batch.pk in {found.batch_id for found in candidates(now=timezone.now(), most=100)}


def fresh(batch: Batch) -> Batch:
    return Batch.objects.select_related("provider").get(pk=batch.pk)


def begins(job: ProviderJob) -> bool:
    """Whether the create call of a job that a delegator has in hand would be made now."""
    return submitting.begin_sending(job, before="", now=timezone.now())


@pytest.fixture
def other(local: Provider) -> Provider:
    return Provider.objects.create(name="other", adapter="openai", base_url="http://127.0.0.1:9/v1")
