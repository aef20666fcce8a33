"""Conditions that keep jobs from being created: stops, disabled providers, permissions that are gone."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches.models import EmergencyStop, Project, Stopped
from batches.rules.execution import JobState
from batches.services.delegation import due
from batches.services.delegation.creating.hand_over import anything_to_hand_over, hand_over_some
from providers.models import Provider
from tests.services.delegation.conftest import GOOD, Desk, begins, fresh, lines_of, sent_directly

pytestmark = pytest.mark.django_db

SOON = timedelta(seconds=5)


@pytest.mark.parametrize("where", ["portal", "provider", "project"])
def test_a_stop_of_sending_also_stops_the_job_in_hand(desk: Desk, local: Provider, where: str) -> None:
    leased = desk.leased(desk.jobs(desk.batch(5))[0])
    places: dict[str, dict[str, Any]] = {"provider": {"provider": local}, "project": {"project": desk.project}}
    EmergencyStop.objects.create(what=Stopped.SENDING, began_at=timezone.now(), **places.get(where, {}))

    assert not begins(leased)
    assert due.take_due(leased.pk, now=timezone.now() + SOON, most=9) == []


def test_a_stop_of_intake_stops_no_job_of_a_batch_that_runs(desk: Desk) -> None:
    leased = desk.leased(desk.jobs(desk.batch(5))[0])
    EmergencyStop.objects.create(what=Stopped.INTAKE, began_at=timezone.now())

    assert begins(leased)


def test_a_disabled_provider_gets_no_job_and_its_running_jobs_come_home(desk: Desk, local: Provider) -> None:
    batch = desk.batch(20)
    running, waiting = desk.jobs(batch)
    desk.in_state(running, JobState.RUNNING)
    leased = desk.leased(waiting)
    Provider.objects.filter(pk=local.pk).update(enabled=False)

    assert not begins(leased)
    assert [job.pk for job in due.take_due(batch.pk, now=timezone.now() + SOON, most=9)] == [running.pk]


@pytest.mark.parametrize("lost", ["permission", "batch API"])
@pytest.mark.parametrize("execution", ["delegated", "hybrid"])
def test_requests_that_may_not_be_handed_over_any_more_go_directly_or_wait_for_a_person(
    desk: Desk, local: Provider, execution: str, lost: str
) -> None:
    batch = desk.batch(20, execution=execution)
    running, unsent = desk.jobs(batch)
    desk.in_state(running, JobState.RUNNING)
    if lost == "permission":
        Project.objects.filter(pk=desk.project.pk).update(may_delegate=False)
    else:
        Provider.objects.filter(pk=local.pk).update(jobs_family="")

    assert desk.withdraw(unsent)
    hand_over_some(now=timezone.now())

    assert sent_directly(batch) is (execution == "hybrid")
    assert bool(fresh(batch).paused_at) is (execution == "delegated")
    assert not anything_to_hand_over(now=timezone.now())
    desk.ends(running, dict.fromkeys(lines_of(running), GOOD))
    assert fresh(batch).counts.succeeded == 10
