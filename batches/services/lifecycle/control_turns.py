"""control_turns: whose batch is validated or ended next. A message about one batch only says that there is such work.

So a project that submits thousands of small batches at once does not keep the others waiting until all of its are done.
"""

import random
import uuid
from collections import Counter
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, Count, Exists, OuterRef, Q, When

from batches.models import Batch, Slice
from batches.models.batch import BatchQuerySet
from batches.rules.states import BatchStatus
from batches.services.lifecycle.finalize import WINDING_UP, begin, finalize
from batches.services.lifecycle.validate import validate

LOOK_SECONDS = 1.0
MOST_LOOKED_AT = 1000  # batches
MOST_BEGUN = 4  # of a project


def validate_next(told: uuid.UUID, *, now: datetime) -> None:
    """Validate a batch of the project whose turn it is."""
    validate(_whose_turn(told, Batch.objects.filter(status=BatchStatus.VALIDATING, expires_at__gt=now), now=now), now=now)


def finalize_next(told: uuid.UUID, *, now: datetime) -> None:
    """Have this batch wind up if it has nothing left to run; and end one of the project whose turn it is."""
    begin(told, now=now)
    _look.begin_others(now=now)
    may_settle = Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0, lease_expires_at__gt=now))
    just_now = Q(updated_at__gt=now - timedelta(seconds=settings.CANCEL_GRACE_SECONDS))
    ready = Batch.objects.filter(status__in=WINDING_UP).exclude(just_now & may_settle)
    finalize(_whose_turn(told, ready, now=now), now=now)


class Look:
    """Now and then a worker looks itself for batches that have nothing left to run: news of them may wait behind many others."""

    def __init__(self) -> None:
        self._looked_at = float("-inf")

    def begin_others(self, *, now: datetime) -> None:
        """Have a few batches of each project wind up."""
        if now.timestamp() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now.timestamp()
        settled = ~Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0))
        found = Batch.objects.filter(settled, status=BatchStatus.IN_PROGRESS).order_by("created_at")
        begun: Counter[uuid.UUID] = Counter()
        for batch_id, project_id in found.values_list("pk", "project")[:MOST_LOOKED_AT]:
            begun[project_id] += 1
            if begun[project_id] <= MOST_BEGUN:
                begin(batch_id, now=now)


_look = Look()


def _whose_turn(told: uuid.UUID, waiting: BatchQuerySet, *, now: datetime) -> uuid.UUID:
    """Of a project that is being worked for least, the batch that is told of, or the oldest; else the one that is told of."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    found = waiting.order_by().values("project").annotate(free=Count("pk", filter=free), busy=Count("pk", filter=~free))
    projects = {row["project"]: row["busy"] for row in found if row["free"]}
    if not projects:
        return told
    least = min(projects.values())
    project = random.choice([project for project, busy in projects.items() if busy == least])
    batches = waiting.filter(free, project=project).order_by(Case(When(pk=told, then=0), default=1), "created_at")
    return batches.values_list("pk", flat=True).first() or told
