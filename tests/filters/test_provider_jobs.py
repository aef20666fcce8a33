"""The filters over provider jobs."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils import timezone

from batches.filters import ProviderJobFilter
from batches.models import Batch, Project, ProviderJob, Role
from batches.rules.execution import IncidentCode, JobState, Recall
from batches.rules.states import BatchStatus, Source
from batches.services.core.access import access_of
from tests.console.conftest import MakeBatch, make_batch
from tests.console.jobs import make_job

__all__ = ["make_batch"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, pending=1)


def found(operator: User, query: str) -> ProviderJobFilter:
    access = access_of(operator, source=Source.CONSOLE)
    return ProviderJobFilter.asked_by(access, QueryDict(query), now=timezone.now())


def test_each_parameter_finds_its_jobs(operator: User, batch: Batch) -> None:
    now = timezone.now()
    held = make_job(batch, state=JobState.UNCERTAIN, incident=IncidentCode.UNCERTAIN, created_at=now - timedelta(hours=7))
    gone = make_job(batch, incident=IncidentCode.GONE, remote_id="batch_7")
    late = make_job(batch, recall=Recall.LATE)
    over = make_job(batch, state=JobState.ENDED, left_behind=["file-1"], created_at=now - timedelta(days=3))
    questions: dict[str, set[ProviderJob]] = {
        "": {held, gone, late, over},
        "view=open": {held, gone, late},
        "view=attention": {held, gone},
        "view=held": {held},
        "view=recalled": {late},
        "view=left": {over},
        "state=uncertain&state=ended": {held, over},
        "state!=running": {held, over},
        "incident=gone": {gone},
        "recall=late&recall=person": {late},
        "older=6h": {held},
        "created=24h": {held, gone, late},
        "text=batch_7": {gone},
        f"text={held.marker}": {held},
        f"text={held.marker}n1": {held},
        f"text={late.pk}": {late},
        f"text={batch}": {held, gone, late, over},
        f"batch={batch}&state=ended": {over},
        "batch=nothing": set(),
        f"provider={batch.provider.name}": {held, gone, late, over},
        f"provider!={batch.provider.name}": set(),
        "project=acme": {held, gone, late, over},
    }
    assert {query: set(found(operator, query).matching) for query in questions} == questions


@pytest.mark.parametrize(
    "query", ["state=lost", "colour=red", "older=soon", "created=0h", "view=x", "older=1h&older=6h", "text=%00"]
)
def test_a_filter_that_is_not_understood_matches_nothing(operator: User, batch: Batch, query: str) -> None:
    make_job(batch)
    chosen = found(operator, query)
    assert len(chosen.problems) == 1
    assert not chosen.matching.exists()


def test_a_member_of_another_project_finds_nothing_and_learns_no_name(
    batch: Batch, other_project: Project, project: Project
) -> None:
    make_job(batch)
    stranger = User.objects.create_user("stranger")
    stranger.memberships.create(project=other_project, role=Role.ADMIN)
    assert not found(stranger, "").matching.exists()
    assert found(stranger, f"project={project.slug}").problems
