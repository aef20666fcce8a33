"""A project that may delegate, and a provider with a batch API that nobody calls."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Project, ProviderJob
from batches.services.delegation.hand_over import hand_over_some
from providers.models import Provider
from tests.cast import provider_at, request_lines, started

HandOver = Callable[..., list[ProviderJob]]


@pytest.fixture
def far(project: Project, settings: Settings, db: None) -> Provider:
    settings.SLICE_LINES = 2
    settings.JOB_ROWS = 2
    Project.objects.filter(pk=project.pk).update(may_delegate=True)
    project.refresh_from_db()
    return provider_at("http://127.0.0.1:9/v1", jobs_family="openai")


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
