"""Recent activity: the latest acts and moves of batches. An act on many batches is told once, by the person who ordered it."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery

from batches.models import BulkAct, BulkItem, BulkOperation, Event
from batches.rules.states import Act, BatchStatus, Source
from batches.services.bulk.preview import words
from batches.services.core.access import Access

SHOWN = 8
LATEST = 1000  # of the whole portal; the reader's events are searched among them
LATEST_OPERATIONS = 100  # the same of bulk operations


@dataclass(frozen=True, slots=True)
class Activity:
    """An event of one batch, or an operation with its `title`. The page of an operation is for some readers only."""

    at: datetime
    actor: str
    event: Event | None = None
    operation: BulkOperation | None = None
    title: str = ""
    is_linked: bool = False


def recent_activity(access: Access) -> list[Activity]:
    """The latest activities in the reader's projects, the latest first. Three queries at most."""
    found = [Activity(event.created_at, event.actor, event=event) for event in _latest_events(access)]
    operations = list(_latest_operations(access))
    targets = {name for operation in operations if (name := operation.parameters.get("provider"))}
    known = set(access.providers().filter(name__in=targets).values_list("name", flat=True)) if targets else set()
    found += [_of_operation(operation, access, known=known) for operation in operations]
    return sorted(found, key=lambda activity: activity.at, reverse=True)[:SHOWN]


def _latest_events(access: Access) -> QuerySet[Event]:
    """The latest events outside of operations, without those that only follow from the one before.

    These are moves to passing statuses, and the end of a cancelled batch. What a standby took over is told above, once for all
    batches. Ids grow with time, so no long history is read.
    """
    single = Event.objects.filter(operation=None).exclude(act=Act.REROUTED, source=Source.ENGINE)
    named = single.exclude(to_status__in=(BatchStatus.FINALIZING, BatchStatus.CANCELLED), act="").order_by("-pk")
    named = named.select_related("batch", "batch__input_file")
    if not access.everywhere:
        latest = single.order_by("-pk").values("pk")[:LATEST]
        named = access.within(named.filter(pk__in=latest), project="batch__project")
    return named[:SHOWN]


def _latest_operations(access: Access) -> QuerySet[BulkOperation]:
    """The latest operations, each with `seen`: how many of its batches the reader sees."""
    latest = BulkOperation.objects.order_by("-created_at", "-pk")
    if access.everywhere:
        return latest.annotate(seen=F("total")).filter(total__gt=0)[:SHOWN]
    items = access.within(BulkItem.objects.filter(operation=OuterRef("pk")), project="batch__project").order_by()
    seen = Subquery(items.values("operation").annotate(count=Count("pk")).values("count"), output_field=IntegerField())
    return latest.filter(pk__in=latest.values("pk")[:LATEST_OPERATIONS]).annotate(seen=seen).filter(seen__gt=0)[:SHOWN]


def _of_operation(operation: BulkOperation, access: Access, *, known: Container[str]) -> Activity:
    """The operation in words, without the target of a move that is not among the `known` providers."""
    told = operation.parameters
    if told.get("provider", "") not in known:
        told = {name: value for name, value in told.items() if name != "provider"}
    title = words(BulkAct(operation.act), operation.seen, told)  # type: ignore[attr-defined]  # annotated
    is_own = access.everywhere or operation.owner_id == access.user.pk
    return Activity(operation.created_at, operation.actor, operation=operation, title=title, is_linked=is_own)
