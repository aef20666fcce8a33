"""Who changes several rows takes them in one order, so that two never wait for each other (E13)."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone

from batches.models import Batch, Project, ProviderJob, Slice, ThrottledBy
from batches.rules.wire_ids import wire_id
from batches.services.delegation.creating.hand_over import hand_over
from batches.services.delegation.give_up import fail_lost
from batches.services.delegation.prices import Prices
from batches.services.delegation.results.collecting import collect
from batches.services.delegation.take_back import release_slices
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.settle import Report, Throttled, settle
from batches.services.retry.retry import retry
from batches.services.retry.selection import EVERYTHING
from batches.services.upstreams.providers import change_provider
from providers.jobs.base import RowKind, RowResult
from providers.models import Provider
from tests.cast import TESTER, request_lines, started
from tests.together import thread
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("simulator")]

ROUNDS = 20


def at_once(*acts: Callable[[], object]) -> list[Exception]:
    """Do these at the same time, each on a connection of its own, again and again; what went wrong."""
    start = threading.Barrier(len(acts))
    failures: list[Exception] = []

    def repeat(act: Callable[[], object]) -> None:
        try:
            for _ in range(ROUNDS):
                start.wait(PATIENCE)
                act()
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)
            start.abort()

    threads = [thread(partial(repeat, act)) for act in acts]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return [error for error in failures if not isinstance(error, threading.BrokenBarrierError)]


@pytest.fixture
def pair(project: Project) -> list[Batch]:
    return [started(project, request_lines(3)) for _ in range(2)]


@pytest.fixture
def job(project: Project) -> ProviderJob:
    """The one provider job of a delegated batch, which is not created yet."""
    Project.objects.filter(pk=project.pk).update(may_delegate=True)
    project.refresh_from_db()
    Provider.objects.update(jobs_family="openai")
    batch = started(project, request_lines(3), execution="delegated")
    (laid,) = hand_over(batch.pk, now=timezone.now())
    return laid


def take_back(job: ProviderJob) -> None:
    """Leave the requests of a job to others, and lay it over them again for the next round."""
    release_slices(job, now=timezone.now())
    Slice.objects.filter(batch=job.batch_id).update(provider_job=job)


def _throttles(batches: list[Batch]) -> Report:
    until = timezone.now() + timedelta(minutes=1)
    return Report({}, {}, throttled={batch.pk: Throttled(until, "It is busy.", ThrottledBy.LIMIT) for batch in batches})


def test_e13_two_executors_that_are_throttled_hold_one_batch_at_a_time(pair: list[Batch]) -> None:
    """The rows of two batches, told of in opposite orders: each is its own transaction, so no circle can form."""
    forwards, backwards = _throttles(pair), _throttles(pair[::-1])
    assert at_once(lambda: settle(forwards, now=timezone.now()), lambda: settle(backwards, now=timezone.now())) == []
    assert Batch.objects.filter(throttled_until__isnull=False).count() == len(pair)


def test_e13_results_that_come_home_wait_for_nobody_who_takes_their_job_back(job: ProviderJob) -> None:
    rows = [RowResult(wire_id(job.pk, line=line, round_=1), RowKind.CANCELLED) for line in (1, 2, 3)]

    def come_home() -> None:
        collect(ProviderJob.objects.get(pk=job.pk), rows, Prices(job), now=timezone.now())

    assert at_once(come_home, partial(take_back, job)) == []


def test_e13_who_retries_waits_for_nobody_who_takes_a_job_back(job: ProviderJob) -> None:
    batch = job.batch

    def fail_all() -> None:
        with transaction.atomic():
            pieces = list(Slice.objects.select_for_update().filter(batch=batch).order_by("pk"))
            fail_lost(Batch.objects.get(pk=batch.pk), pieces, attempts=1, now=timezone.now())

    def retry_in_place() -> None:
        fail_all()
        retry(Batch.objects.get(pk=batch.pk), selection=EVERYTHING, actor=TESTER, now=timezone.now())

    assert at_once(retry_in_place, partial(take_back, job)) == []


def test_e13_who_settles_waits_for_nobody_that_waits_for_him(pair: list[Batch]) -> None:
    """A settle that holds a slice does not ask for its batch, which somebody may hold who wants the slice."""
    first = pair[0]
    (lease,) = [
        lease
        for lease in claim(executor=uuid.uuid4(), appetite=Appetite(9), now=timezone.now())
        if lease.piece.batch_id == first.pk
    ]
    report = Report({first.pk: lease.piece.batch}, {lease.piece.pk: lease.epoch}, throttled=_throttles([first]).throttled)

    def batch_then_slices() -> None:
        with transaction.atomic():
            Batch.objects.filter(pk=first.pk).update(updated_at=timezone.now())
            list(Slice.objects.select_for_update().filter(batch=first).order_by("pk"))

    assert at_once(lambda: settle(report, now=timezone.now()), batch_then_slices) == []


def test_e13_two_defaults_at_once(project: Project) -> None:
    providers = [Provider.objects.create(name=name, adapter="openai", base_url="http://127.0.0.1:9/v1") for name in "ab"]

    def take(provider: Provider) -> Callable[[], None]:
        def act() -> None:
            fresh = Provider.objects.get(pk=provider.pk)
            fresh.is_default = True
            change_provider(fresh, changed=["is_default"], actor=TESTER, now=timezone.now())

        return act

    assert at_once(*(take(provider) for provider in providers)) == []
    assert Provider.objects.filter(name__in="ab", is_default=True).count() == 1
