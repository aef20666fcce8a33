"""Which batches are about to miss their deadline."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import Batch, BatchMinute, Project
from batches.services.tally.late_batches import assess, is_at_risk
from providers.models import Provider
from tests.cast import request_lines, started

DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("remaining", "recent", "left", "expected"),
    [
        (0, 0, timedelta(seconds=1), False),
        (0, 100, timedelta(seconds=1), False),
        # 100 in 100 seconds: 1,000 more take 1,000 seconds, and 1,250 is what it ought to have
        (1000, 100, timedelta(seconds=1251), False),
        (1000, 100, timedelta(seconds=1249), True),
        (1000, 100, timedelta(seconds=-1), True),
        # nothing settles: whether it will be in time nobody can tell before most of the time is gone
        (1000, 0, DAY, False),
        (1000, 0, DAY / 4, False),
        (1000, 0, DAY / 4 - timedelta(seconds=1), True),
    ],
)
def test_a_batch_is_at_risk_when_its_pace_does_not_meet_its_deadline(
    remaining: int, recent: int, left: timedelta, expected: bool
) -> None:
    assert is_at_risk(remaining=remaining, recent=recent, seconds=100, left=left, window=DAY) is expected


@pytest.mark.django_db
@pytest.mark.usefixtures("simulator")
def test_slow_batches_are_marked_and_those_that_catch_up_are_not_any_more(project: Project) -> None:
    now = timezone.now()
    fast, slow = (started(project, request_lines(10)) for _ in range(2))
    Batch.objects.update(in_progress_at=now - timedelta(hours=1), expires_at=now + timedelta(minutes=10))
    minute = now.replace(second=0, microsecond=0) - timedelta(minutes=2)
    pace = {batch.pk: BatchMinute.objects.create(batch=batch, minute=minute) for batch in (fast, slow)}
    BatchMinute.objects.filter(pk=pace[fast.pk].pk).update(succeeded=90, failed=10)
    BatchMinute.objects.filter(pk=pace[slow.pk].pk).update(succeeded=2, failed=1)
    assess(now=now)
    assert marked() == {slow.pk: now}

    assess(now=now + timedelta(seconds=5))
    assert marked() == {slow.pk: now}, "since when is not moved"

    BatchMinute.objects.filter(pk=pace[slow.pk].pk).update(succeeded=100)
    assess(now=now + timedelta(seconds=10))
    assert marked() == {}


@pytest.mark.django_db
def test_only_running_batches_are_at_risk(project: Project, simulator: Provider) -> None:
    now = timezone.now()
    batch = started(project, request_lines(10))
    Batch.objects.update(status="cancelling", cancelling_at=now, expires_at=now + timedelta(seconds=1))
    assess(now=now)
    assert marked() == {}
    assert batch.at_risk_since is None


def marked() -> dict[object, object]:
    return dict(Batch.objects.exclude(at_risk_since=None).values_list("pk", "at_risk_since"))
