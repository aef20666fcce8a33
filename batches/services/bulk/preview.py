"""preview: the effect of an act on many batches, before it is ordered. Every query has a bound."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Q

from batches.models import Batch, BulkAct, BulkOperation
from batches.rules.display.counted import counted
from batches.services.bulk.acts import VERBS, Obstacle, Parameters
from batches.services.bulk.choice import Choice
from batches.services.bulk.question import Question
from batches.services.bulk.retried import most_requests
from batches.services.bulk.targets import Target, remaining, targets
from batches.services.core.access import Access
from batches.services.insight.throughput import Backlog

SAMPLE = 10
MOST_COUNTED = 10_000  # the batches that are left alone are counted up to this number


@dataclass(frozen=True, slots=True)
class Left:
    """The number of batches that are left alone for one reason."""

    obstacle: Obstacle
    count: int


@dataclass(frozen=True, slots=True)
class Move:
    """A move to another provider: its `target` (empty: not chosen yet), the requests that are left, and the possible targets.

    `movable` batches could be moved at all. If they were chosen by their ids, `chosen` has these, for a look at another target.
    """

    target: str
    remaining: Backlog
    targets: tuple[Target, ...]
    movable: int
    chosen: tuple[uuid.UUID, ...]

    @property
    def is_down(self) -> bool:
        """Whether the target is down itself."""
        return any(each.is_down for each in self.targets if each.provider.name == self.target)


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """The effect of an act: the number of eligible batches and the first of them, and the batches left alone by reason.

    `eligible` is at most one more than the maximum. With `left_is_cut` more batches are left alone than were counted. If the
    batches were chosen by their ids, `chosen` are the ids of the eligible ones, and only these are ordered. Without a target of
    a `move`, those are eligible that could be moved at all.
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
    move: Move | None = None
    requests: int | None = None  # how many requests a retry would send at most

    @property
    def is_too_much(self) -> bool:
        """Whether the eligible batches are too many for one operation."""
        return self.eligible > settings.BULK_OPERATION_MAX_BATCHES

    @property
    def can_be_ordered(self) -> bool:
        """Whether there are eligible batches, and not too many, and whether the target of a move is chosen."""
        return bool(self.eligible) and not self.is_too_much and not self.asks_target

    @property
    def asks_target(self) -> bool:
        """Whether the target of a move has to be chosen first."""
        return self.move is not None and not self.move.target

    @property
    def has_to_be_typed(self) -> bool:
        """Whether the eligible batches are so many that the person must type their number."""
        return has_to_be_typed(self.eligible)

    @property
    def matched(self) -> int:
        """How many batches were looked at."""
        return self.eligible + sum(reason.count for reason in self.left)


def has_to_be_typed(count: int) -> bool:
    """Whether an act on so many batches requires that the person types their number."""
    return count > settings.BULK_OPERATION_TYPED_ABOVE


def preview(choice: Choice, *, act: BulkAct, parameters: Parameters, by: Access, now: datetime) -> BulkPreview:
    """Look at the chosen batches. Batches that are created from now on do not belong to the choice."""
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
        move=_move(choice, question, now=now) if act is BulkAct.REROUTE else None,
        requests=most_requests(able, error_group=parameters.get("error", "")) if act is BulkAct.RETRY and eligible else None,
    )


def _left_alone(choice: Choice, question: Question) -> tuple[Left, ...]:
    others = choice.rows.annotate(obstacle=question.obstacle).exclude(obstacle="").order_by()[: MOST_COUNTED + 1]
    counts = others.aggregate(**{name: Count("pk", filter=Q(obstacle=name)) for name in Obstacle.values})
    return tuple(Left(Obstacle(name), count) for name, count in counts.items() if count)


def _move(choice: Choice, question: Question, *, now: datetime) -> Move:
    anywhere = replace(question, parameters={}).eligible(choice.rows)
    return Move(
        question.parameters.get("provider", ""),
        remaining(question.eligible(choice.rows), now=now),
        targets(anywhere, by=question.access),
        anywhere.order_by()[: settings.BULK_OPERATION_MAX_BATCHES + 1].count(),
        () if choice.query else tuple(anywhere.order_by().values_list("pk", flat=True)),
    )


def words(act: BulkAct, count: int, parameters: Parameters) -> str:
    """`Cancel 280 batches`, `Move 37 batches to up-standby`. The target is left out where the parameters have none."""
    return f"{VERBS[act].word} {counted(count, 'batch', 'batches')}{_to(parameters)}"


def announced(operation: BulkOperation) -> str:
    """`280 batches are being cancelled.`, `37 batches are being moved to up-standby.`"""
    count = counted(operation.total, "batch is", "batches are")
    return f"{count} being {VERBS[BulkAct(operation.act)].done}{_to(operation.parameters)}."


def _to(parameters: Parameters) -> str:
    return f" to {parameters['provider']}" if "provider" in parameters else ""
