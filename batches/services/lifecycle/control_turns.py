"""control_turns: the rule that says which batch is validated or ended next.

A message names one batch, but only means that there is work of this kind. The projects take turns, so that a project with
thousands of small batches does not keep the other projects waiting.
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
from batches.services.core.lease import is_free
from batches.services.lifecycle.finalize import WINDING_UP, begin, finalize, waits_for_jobs
from batches.services.lifecycle.validate import validate

LOOK_SECONDS = 1.0
MOST_LOOKED_AT = 1000  # how many batches one look reads
MOST_BEGUN = 4  # how many batches of a project one look winds up


def validate_next(announced: uuid.UUID, *, now: datetime) -> None:
    """Validate a batch of the project whose turn it is. `announced` is the batch that the message names."""
    waiting = Batch.objects.filter(status=BatchStatus.VALIDATING, expires_at__gt=now)
    validate(_whose_turn(announced, waiting, now=now), now=now)


def finalize_next(announced: uuid.UUID, *, now: datetime) -> None:
    """Wind the announced batch up if it has nothing left to run, and end a batch of the project whose turn it is."""
    begin(announced, now=now)
    _look.begin_others(now=now)
    may_settle = Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0, lease_expires_at__gt=now))
    just_now = Q(updated_at__gt=now - timedelta(seconds=settings.CANCEL_GRACE_SECONDS))
    ready = Batch.objects.filter(status__in=WINDING_UP).exclude(just_now & may_settle).exclude(waits_for_jobs(now))
    finalize(_whose_turn(announced, ready, now=now), now=now)


class Look:
    """Looks for batches that have nothing left to run, at most every LOOK_SECONDS: their messages may wait behind many others."""

    def __init__(self) -> None:
        self._looked_at = float("-inf")

    def begin_others(self, *, now: datetime) -> None:
        """Wind a few batches of each project up."""
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


def _whose_turn(announced: uuid.UUID, waiting: BatchQuerySet, *, now: datetime) -> uuid.UUID:
    """The next batch: of the project with the fewest batches under work, the announced one or else the oldest.

    It is the announced batch if no other one waits.
    """
    free = is_free(now)
    found = waiting.order_by().values("project").annotate(free=Count("pk", filter=free), busy=Count("pk", filter=~free))
    projects = {row["project"]: row["busy"] for row in found if row["free"]}
    if not projects:
        return announced
    least = min(projects.values())
    project = random.choice([project for project, busy in projects.items() if busy == least])
    batches = waiting.filter(free, project=project).order_by(Case(When(pk=announced, then=0), default=1), "created_at")
    return batches.values_list("pk", flat=True).first() or announced
