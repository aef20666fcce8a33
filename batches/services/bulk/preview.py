"""preview: what an act on many batches would do, before anything is done. Every question to the database is bounded."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Q

from batches.models import Batch, BulkAct, BulkOperation
from batches.services.bulk.acts import VERBS, Obstacle, Parameters, Question
from batches.services.bulk.choice import Choice
from batches.services.core.access import Access

SAMPLE = 10
MOST_COUNTED = 10_000  # of those that are left alone


@dataclass(frozen=True, slots=True)
class Left:
    """How many batches are left alone for one reason."""

    obstacle: Obstacle
    count: int


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """What would happen: to how many, and to which first; how many are left alone, and why.

    `eligible` is never more than one over the maximum. When `left_is_cut`, there are more of `left` than were counted.
    Where batches were chosen one by one, `chosen` are the ids of those to which it can be done: only these are ordered.
    """

    act: BulkAct
    parameters: Parameters
    query: str
    eligible: int
    left: tuple[Left, ...]
    left_is_cut: bool
    missing: int
    sample: tuple[Batch, ...]
    chosen: tuple[uuid.UUID, ...]
    created_before: datetime

    @property
    def is_too_much(self) -> bool:
        """Whether one operation may not do so many."""
        return self.eligible > settings.BULK_OPERATION_MAX_BATCHES

    @property
    def can_be_ordered(self) -> bool:
        """Whether there is something to do, and not too much."""
        return bool(self.eligible) and not self.is_too_much

    @property
    def has_to_be_typed(self) -> bool:
        """Whether it is so many that their number has to be typed."""
        return has_to_be_typed(self.eligible)

    @property
    def matched(self) -> int:
        """How many were looked at."""
        return self.eligible + sum(reason.count for reason in self.left)


def has_to_be_typed(count: int) -> bool:
    """Whether so many batches are only acted on by who types their number."""
    return count > settings.BULK_OPERATION_TYPED_ABOVE


def preview(choice: Choice, *, act: BulkAct, parameters: Parameters, by: Access, now: datetime) -> BulkPreview:
    """Look at what was chosen. Nothing that is created from now on belongs to it."""
    choice = choice.created_before(now)
    question = Question(act, parameters, by, now)
    able = question.eligible(choice.rows)
    eligible = able.order_by()[: settings.BULK_OPERATION_MAX_BATCHES + 1].count()
    left: tuple[Left, ...] = ()
    if eligible <= settings.BULK_OPERATION_MAX_BATCHES:
        left = _left_alone(choice, question)
    return BulkPreview(
        act=act,
        parameters=parameters,
        query=choice.query,
        eligible=eligible,
        left=left,
        left_is_cut=sum(reason.count for reason in left) > MOST_COUNTED,
        missing=choice.missing,
        sample=tuple(able.select_related("project", "input_file").order_by("-created_at", "-id")[:SAMPLE]),
        chosen=() if choice.query else tuple(able.order_by().values_list("pk", flat=True)),
        created_before=now,
    )


def _left_alone(choice: Choice, question: Question) -> tuple[Left, ...]:
    others = choice.rows.annotate(obstacle=question.obstacle).exclude(obstacle="").order_by()[: MOST_COUNTED + 1]
    counts = others.aggregate(**{name: Count("pk", filter=Q(obstacle=name)) for name in Obstacle.values})
    return tuple(Left(Obstacle(name), count) for name, count in counts.items() if count)


def words(act: BulkAct, count: int) -> str:
    """`Cancel 280 batches`."""
    return f"{VERBS[act].word} {count:,} {'batch' if count == 1 else 'batches'}"


def announced(operation: BulkOperation) -> str:
    """`280 batches are being cancelled.`"""
    count = "1 batch is" if operation.total == 1 else f"{operation.total:,} batches are"
    return f"{count} being {VERBS[BulkAct(operation.act)].done}."
