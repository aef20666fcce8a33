"""An emergency stop of sending, against a batch that executors work on and an upstream over real HTTP."""

from datetime import timedelta
from time import monotonic

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, EmergencyStop, Project, Stopped
from batches.rules.states import BatchStatus
from batches.services.insight.waiting import Cause, waiting
from batches.services.lifecycle.claim import anything_to_claim
from batches.services.policy.emergency_stop import Place, begin_stop, end_stop
from batches.services.upkeep.reconcile import reconcile
from providers.models import Provider
from tests.answers import succeed
from tests.cast import TESTER, assert_counts_are_true, ended, request_lines, run_executor, started, statuses
from tests.engine.executors import executors, sent
from tests.upstream import Upstream
from tests.waiting import allowed, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

LINES = 60
AT_ONCE = 1.5  # seconds within which executors heed a stop


def stop_sending(place: Place) -> EmergencyStop:
    return begin_stop(Stopped.SENDING, place, reason="It is on fire.", actor=TESTER, now=timezone.now())


@pytest.fixture
def slow(provider: Provider, upstream: Upstream, settings: Settings) -> Provider:
    """A provider that takes two requests at a time, and a while for each."""
    settings.SLICE_LINES = 20
    Provider.objects.filter(pk=provider.pk).update(max_concurrency=2)
    upstream.behave(lambda _: succeed(delay=0.1))
    return Provider.objects.get(pk=provider.pk)


@pytest.mark.parametrize("where", ["portal", "provider", "project"])
def test_nothing_more_is_sent_until_the_stop_ends(project: Project, slow: Provider, upstream: Upstream, where: str) -> None:
    place = {"portal": Place(), "provider": Place(provider=slow), "project": Place(project=project)}[where]
    batch = started(project, request_lines(LINES))
    with executors(1):
        until(lambda: len(upstream.requests) >= 4)
        stop = stop_sending(place)
        stopped_at = monotonic()
        until(lambda: not batch.slices.filter(lease_owner__isnull=False).exists())
    before = len(upstream.requests)
    assert all(request.at < stopped_at + allowed(AT_ONCE) for request in upstream.requests)
    assert before < LINES
    assert list(statuses(batch).values()).count("succeeded") == before, "what was in flight has settled"
    assert_counts_are_true(batch)

    assert not anything_to_claim(now=timezone.now())
    run_executor()
    assert len(upstream.requests) == before
    found = waiting(Batch.objects.get(pk=batch.pk), now=timezone.now())
    assert found is not None
    assert found.cause is Cause.SENDING_STOPPED
    assert "It is on fire." in found.sentence

    assert end_stop(stop, actor=TESTER, now=timezone.now())
    upstream.behave(lambda _: succeed())
    run_executor()
    assert set(sent(upstream).values()) == {1}
    assert ended(batch).succeeded == LINES


def test_what_a_stop_does_not_concern_goes_on(
    project: Project, other_project: Project, slow: Provider, upstream: Upstream
) -> None:
    held, free = started(project, request_lines(5, prefix="held")), started(other_project, request_lines(5, prefix="free"))
    stop_sending(Place(project=project))
    run_executor()
    assert {name.partition("-")[0] for name in sent(upstream)} == {"free"}
    assert ended(free).succeeded == 5
    assert Batch.objects.get(pk=held.pk).status == BatchStatus.IN_PROGRESS


def test_the_deadline_goes_on_while_sending_is_stopped(project: Project, slow: Provider, upstream: Upstream) -> None:
    batch = started(project, request_lines(3), window=timedelta(minutes=15))
    stop_sending(Place())
    now = timezone.now() + timedelta(minutes=16)
    reconcile(now=now)
    batch = ended(Batch.objects.get(pk=batch.pk))
    assert (batch.status, batch.expired, len(upstream.requests)) == (BatchStatus.EXPIRED, 3, 0)


def test_a_stop_of_intake_keeps_nothing_from_being_sent(project: Project, slow: Provider, upstream: Upstream) -> None:
    batch = started(project, request_lines(3))
    begin_stop(Stopped.INTAKE, Place(), reason="Full.", actor=TESTER, now=timezone.now())
    run_executor()
    assert ended(batch).succeeded == 3
