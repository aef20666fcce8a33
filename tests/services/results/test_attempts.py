"""The attempts at objects."""

import pytest
from django.utils import timezone

from batches.models import Attempt, Project
from batches.services.results.attempts import load_attempts
from providers.models import Provider
from tests.cast import request_lines, started


@pytest.mark.django_db
def test_pending_objects_have_the_attempts_that_the_ledger_knows(project: Project, simulator: Provider) -> None:
    """O6: rows of pending objects said "Attempts 0" of what had ten."""
    batch, now = started(project, request_lines(3)), timezone.now()
    first, second, _ = batch.batch_objects.order_by("line")
    for line, round_, number in ((first.line, 1, 1), (first.line, 1, 2), (second.line, 1, 1)):
        about = {"answered": True, "latency_ms": 1, "retry_at": now, "created_at": now, "kind": "server_error"}
        Attempt.objects.create(batch=batch, line=line, round=round_, number=number, **about)
    batch.batch_objects.filter(line=second.line).update(round=2)
    found = load_attempts(batch, list(batch.batch_objects.order_by("line")))
    assert [row.attempts for row in found] == [2, 0, 0], "of the present round alone"
