"""The demo fills a portal, and gets in nobody's way."""

import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from batches.models import Batch, Project
from batches.rules.states import BatchStatus
from batches.services.core.route import route
from batches.services.delegation.creating.hand_over import hand_over_some
from providers.models import Provider
from tests.conftest import Queue


def test_the_demo_starts_batches_with_real_inputs_in_several_projects(db: None) -> None:
    call_command("demo", wait=0)
    batches = Batch.objects.select_related("input_file", "provider")
    assert {batch.project.slug for batch in batches} == {"support", "search", "catalog"}
    assert {batch.provider.name for batch in batches if not batch.provider.simulated} == {"demo-batches"}
    for batch in batches.exclude(remark="Translate size charts"):
        assert batch.input_file is not None
        with batch.input_file.content.open("rb") as lines:
            assert all(json.loads(line)["url"] == batch.endpoint for line in lines)


def test_the_demo_may_be_called_again(db: None) -> None:
    call_command("demo", wait=0)
    before = Batch.objects.count()
    call_command("demo", wait=0)
    assert Batch.objects.count() == 2 * before


def test_other_projects_keep_their_default_provider(project: Project, simulator: Provider) -> None:
    call_command("demo", wait=0)
    assert route(project, endpoint="/v1/chat/completions") == simulator


def test_the_batch_of_the_batch_api_waits_for_a_portal_that_is_not_running(queue: Queue) -> None:
    call_command("demo", wait=0)
    batch = Batch.objects.get(provider__name="demo-batches")
    while batch.status == BatchStatus.VALIDATING:
        queue.app.tasks["batches.engine.validate"].apply((str(batch.id),), throw=True)
        batch.refresh_from_db()
    assert (batch.execution, batch.project.slug) == ("hybrid", "catalog")
    assert hand_over_some(now=timezone.now()) == 1
    assert sum(job.rows for job in batch.provider_jobs.all()) == 4000


@pytest.mark.alike
def test_the_spoilt_input_of_the_demo_fails_its_validation(queue: Queue) -> None:
    call_command("demo", wait=0)
    spoilt = Batch.objects.get(remark="Translate size charts")
    while spoilt.status == BatchStatus.VALIDATING:  # others may have their turn before it
        queue.app.tasks["batches.engine.validate"].apply((str(spoilt.id),), throw=True)
        spoilt.refresh_from_db()
    assert spoilt.status == BatchStatus.FAILED
    assert spoilt.errors.values("code").distinct().count() > 1
