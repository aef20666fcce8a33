"""control_turns: whose batch is validated or ended next. A message about one batch only says that there is such work.

So a project that submits thousands of small batches at once does not keep the others waiting until all of its are done.
"""

import random
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q

from batches.models import Batch, Slice
from batches.models.batch import BatchQuerySet
from batches.services.finalize import WINDING_UP, begin, finalize
from batches.services.validate import validate
from batches.states import BatchStatus


def validate_next(told: uuid.UUID, *, now: datetime) -> None:
    """Validate a batch of the project whose turn it is."""
    validate(_whose_turn(told, Batch.objects.filter(status=BatchStatus.VALIDATING, expires_at__gt=now), now=now), now=now)


def finalize_next(told: uuid.UUID, *, now: datetime) -> None:
    """Have this batch end if it has nothing left to run; and end one of the project whose turn it is."""
    begin(told, now=now)
    may_settle = Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0, lease_expires_at__gt=now))
    just_now = Q(updated_at__gt=now - timedelta(seconds=settings.CANCEL_GRACE_SECONDS))
    winding_up = Batch.objects.filter(status__in=WINDING_UP)
    if not winding_up.filter(pk=told).exists():
        finalize(told, now=now)
        return
    finalize(_whose_turn(told, winding_up.exclude(just_now & may_settle), now=now), now=now)


def _whose_turn(told: uuid.UUID, waiting: BatchQuerySet, *, now: datetime) -> uuid.UUID:
    """The oldest of these batches of a project that is being worked for least; the one that is told of where all are alike."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    found = waiting.order_by().values("project").annotate(free=Count("pk", filter=free), busy=Count("pk", filter=~free))
    projects = {row["project"]: row["busy"] for row in found if row["free"]}
    if len(projects) < 2:
        return told
    least = min(projects.values())
    project = random.choice([project for project, busy in projects.items() if busy == least])
    return waiting.filter(free, project=project).order_by("created_at").values_list("pk", flat=True).first() or told
