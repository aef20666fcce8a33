"""audit_log: the acts of people, keys, commands and the engine, the newest first, out of the two tables that record them.

An act on one batch is an event of its timeline; everything else is an audit entry. A page merges both by time. Whatever the
size of the tables, a page reads a bounded number of rows: who, project, target and time are found through indexes, and other
filters look through at most LOOKED_THROUGH rows of each table. The page then says how far it looked, and the next goes on.
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Model, Q, QuerySet

from batches.models import AuditEntry, Event
from batches.rules import identifiers
from batches.rules.changes import Told, told
from batches.rules.display.audit_words import CANCEL, NOTE, OF_BATCH, act_of_event, choice_of, words_of
from batches.rules.keyset import behind, moment_as_number, number_as_moment
from batches.rules.states import BatchStatus, Source
from batches.services.insight.audit_question import LogQuestion

LOOKED_THROUGH = 10_000  # the most rows of each table that one page looks through
PIECE = 500  # the number of records that an export reads at once
_POSITION = re.compile(r"(\d{1,17})-([0-9a-f]{32})", re.ASCII)


class LogPosition(NamedTuple):
    """The place of a record in the log; as text, for an address."""

    moment: datetime
    key: uuid.UUID

    def __str__(self) -> str:
        return f"{moment_as_number(self.moment)}-{self.key.hex}"

    @classmethod
    def read(cls, text: str) -> "LogPosition | None":
        """The position that a text names; None for a malformed one."""
        match = _POSITION.fullmatch(text)
        try:
            return cls(number_as_moment(int(match[1])), uuid.UUID(match[2])) if match else None
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class Record:
    """One act, from either table."""

    position: LogPosition
    act: str
    actor: str
    source: str
    outcome: str
    reason: str
    target_type: str
    target_id: str
    target: str
    project: str
    changes: Sequence[Told]

    @property
    def at(self) -> datetime:
        return self.position.moment

    @property
    def words(self) -> str:
        return words_of(self.act)

    @property
    def choice(self) -> str:
        """The value of the filter `what` that finds this act; empty if there is none."""
        return choice_of(self.act)

    @property
    def through(self) -> str:
        """The way by which the act reached the portal, in words."""
        return str(dict(Source.choices).get(self.source, self.source)).lower().replace("api", "API")

    @property
    def is_refused(self) -> bool:
        return self.outcome == AuditEntry.Outcome.REFUSED


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some records, and where the next page begins. `looked_back_to`: the page ended because it had looked through enough."""

    records: list[Record]
    following: LogPosition | None = None
    looked_back_to: datetime | None = None


def audit_page(question: LogQuestion, *, after: LogPosition | None = None, size: int) -> LogPage:
    """The newest records that match, behind a position. Two queries for each part of the question, whatever the tables have."""
    streams, ends = list[Iterator[Record]](), list[LogPosition]()
    parts = question.parts
    depth = max(LOOKED_THROUGH // max(len(parts), 1), 1)
    for part in parts:
        tables = (
            (_entries(part), _matching_entries(part), record_of),
            (_events(part), _matching_events(part), _of_event),
        )
        for base, matching, told_as in tables:
            rows, end = _looked_at(base, matching, after=after, size=size, depth=depth if part.looks_through else None)
            streams.append(map(told_as, rows))
            ends += [end] if end else []
    end = max(ends, default=None)
    merged = merge(*streams, key=lambda record: record.position, reverse=True)
    found = [record for record in islice(merged, size + 1) if end is None or record.position >= end]
    if len(found) > size:
        return LogPage(found[:size], following=found[size - 1].position)
    return LogPage(found, following=end, looked_back_to=end.moment if end else None)


def audit_records(question: LogQuestion) -> Iterator[Record]:
    """All records that match, for an export, piece by piece."""
    after: LogPosition | None = None
    while True:
        page = audit_page(question, after=after, size=PIECE)
        yield from page.records
        if page.following is None:
            return
        after = page.following


def _looked_at(
    base: QuerySet[Any], matching: Q, *, after: LogPosition | None, size: int, depth: int | None
) -> tuple[list[Any], LogPosition | None]:
    """The rows of one table for a page; and the last row that was looked through, if there are more rows behind it.

    At most `depth` rows are looked through; None if an index finds all that match.
    """
    rows = base.filter(behind("created_at", after.moment, after.key, descending=True)) if after else base
    rows = rows.order_by("-created_at", "-pk")
    end = None
    if depth is not None:
        last = rows.values_list("created_at", "pk")[depth : depth + 1].first()
        end = LogPosition(*last) if last else None
        if end:
            rows = rows.filter(
                Q(created_at__gt=end.moment) | Q(created_at=end.moment, pk__gte=end.key), created_at__gte=end.moment
            )
    return list(rows.filter(matching)[: size + 1]), end


def _entries(question: LogQuestion) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.select_related("project").filter(_found_by_index(question))
    if question.target:
        rows = rows.filter(target_id=_key_of(question.target))
    return rows


def _events(question: LogQuestion) -> QuerySet[Event]:
    rows = Event.objects.filter(_found_by_index(question), project__isnull=False).select_related("project")
    if question.target:
        identifier = identifiers.parse(question.target)
        rows = rows.filter(batch=identifier) if identifier else rows.none()
    return rows.none() if question.outcome == AuditEntry.Outcome.REFUSED else rows


def _found_by_index(question: LogQuestion) -> Q:
    """The conditions on columns that both tables have, in the order of their indexes."""
    found = Q()
    if question.within is not None:
        found &= Q(project__in=list(question.within))
    if question.projects:
        found &= Q(project__in=[project.pk for project in question.projects])
    if question.who:
        found &= Q(actor=question.who)
    if question.since:
        found &= Q(created_at__gte=question.since)
    if question.until:
        found &= Q(created_at__lt=question.until)
    return found


def _matching_entries(question: LogQuestion) -> Q:
    found = _in_both(question)
    if question.acts:
        found &= Q(act__in=list(question.acts))
    if question.outcome:
        found &= Q(outcome=question.outcome)
    if question.text:
        found &= Q(reason__icontains=question.text) | Q(target__icontains=question.text) | Q(actor__icontains=question.text)
    return found


def _matching_events(question: LogQuestion) -> Q:
    found = _in_both(question)
    if question.acts:
        named = Q(act__in=[act for act, name in OF_BATCH.items() if name in question.acts])
        if CANCEL in question.acts:
            named |= Q(act="", to_status=BatchStatus.CANCELLING)
        if NOTE in question.acts:
            named |= Q(act="") & ~Q(to_status=BatchStatus.CANCELLING)
        found &= named
    if question.text:
        found &= Q(note__icontains=question.text) | Q(actor__icontains=question.text)
    return found


def _in_both(question: LogQuestion) -> Q:
    return Q(source__in=list(question.sources)) if question.sources else Q()


def _key_of(text: str) -> str:
    """The key of a target as entries have it. Ids of batches, files and keys come in several forms."""
    identifier = identifiers.parse(text.strip().lower())
    return str(identifier) if identifier else text.strip()[:64]


def records_about(target: Model, *, most: int) -> list[Record]:
    """The latest audit entries about a batch, a key or a provider job as records of the log. One query."""
    entries = AuditEntry.objects.filter(target_id=str(target.pk), target_type=target._meta.model_name)
    return [record_of(entry) for entry in entries.select_related("project")[:most]]


def record_of(entry: AuditEntry) -> Record:
    """An audit entry as a record of the log. It names the project of the entry, which is best read with it."""
    return Record(
        position=LogPosition(entry.created_at, entry.pk),
        act=entry.act,
        actor=entry.actor,
        source=entry.source,
        outcome=entry.outcome,
        reason=entry.reason,
        target_type=entry.target_type,
        target_id=entry.target_id,
        target=entry.target,
        project=entry.project.slug if entry.project else "",
        changes=tuple(told(entry.changes)),
    )


def _of_event(event: Event) -> Record:
    return Record(
        position=LogPosition(event.created_at, event.pk),
        act=act_of_event(event.act, event.to_status),
        actor=event.actor,
        source=event.source,
        outcome=AuditEntry.Outcome.DONE,
        reason=event.note,
        target_type="batch",
        target_id=str(event.batch_id),
        target=identifiers.render("batch_", event.batch_id),
        project=event.project.slug if event.project else "",
        changes=(),
    )
