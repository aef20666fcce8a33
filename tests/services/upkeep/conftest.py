"""A batch that ended, today or long ago."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Project
from tests.services.pruned import mixed


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """A batch that has ended, with every outcome in it."""
    return mixed(project, settings)


def long_ago(batch: Batch, days: int) -> None:
    """Make it as if a batch had been created and ended that many days ago."""
    then = timezone.now() - timedelta(days=days)
    Batch.objects.filter(pk=batch.pk).update(created_at=then, ended_at=then)
