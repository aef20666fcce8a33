"""texts: take a value out of everything that people, clients and upstreams have written: notes, reasons, messages, names."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, TextField
from django.db.models.functions import Cast

from batches.models import (
    Attempt,
    AuditEntry,
    Batch,
    BatchError,
    BatchResult,
    BulkItem,
    BulkOperation,
    EmergencyStop,
    Erasure,
    ErrorGroup,
    Event,
    File,
    IdempotencyRecord,
    LegalHold,
    Project,
    ProviderJob,
    ProviderJobIncident,
    Upload,
    WebhookDelivery,
    WebhookEndpoint,
)
from batches.services.erasure.progress import Progress
from batches.services.erasure.subject import Subject

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Place:
    """The texts of one table. `project` is the lookup from a row to its project; `documents` are columns of JSON."""

    model: type[models.Model]
    project: str
    texts: tuple[str, ...]
    documents: tuple[str, ...] = ()


# Every column of text that may quote a request or its name. What no client, person or upstream writes is not here.
PLACES = (
    Place(Event, "batch__project", ("note",)),
    Place(BatchError, "batch__project", ("message", "param")),
    Place(Attempt, "batch__project", ("message",)),
    Place(BatchResult, "batch__project", ("error_message",)),
    Place(ErrorGroup, "project", ("message", "sample", "note")),
    Place(Batch, "project", ("remark", "operation_name", "paused_reason", "put_off_reason"), ("metadata", "extras")),
    Place(File, "project", ("filename",)),
    Place(Upload, "project", ("filename",)),
    Place(AuditEntry, "project", ("target", "reason"), ("changes",)),
    Place(ProviderJob, "batch__project", ("note", "failure"), ("left_behind",)),
    Place(ProviderJobIncident, "job__batch__project", ("note", "resolution")),
    Place(LegalHold, "project", ("reason", "release_reason")),
    Place(Erasure, "project", ("reason",), ("left",)),
    Place(EmergencyStop, "project", ("reason",)),
    Place(BulkItem, "batch__project", ("note",)),
    Place(WebhookEndpoint, "project", ("name", "disabled_reason")),
    Place(WebhookDelivery, "project", ("failure", "answer")),
    Place(IdempotencyRecord, "api_key__project", ("token",)),
)


def erase_mentions(project: Project, subject: Subject, progress: Progress) -> None:
    """Replace the value wherever texts of a project mention it. The acts that these texts belong to stay."""
    for place in PLACES:
        rows = place.model._default_manager.filter(**{place.project: project})
        _erase_in(rows, place, subject, progress)
    _erase_in(_own_operations(project), Place(BulkOperation, "", ("query", "reason"), ("parameters",)), subject, progress)


def _own_operations(project: Project) -> "models.QuerySet[BulkOperation]":
    """The bulk operations with batches of this project alone. Others may mean the same text in another project."""
    items = BulkItem.objects.filter(operation=OuterRef("pk"))
    return BulkOperation.objects.filter(
        Exists(items.filter(batch__project=project)), ~Exists(items.exclude(batch__project=project))
    )


def _erase_in(rows: "models.QuerySet[Any]", place: Place, subject: Subject, progress: Progress) -> None:
    found, columns = mentioning(rows, place, subject), (*place.texts, *place.documents)
    after: object = None
    while some := list((found if after is None else found.filter(pk__gt=after)).values("pk", *columns)[:AT_ONCE]):
        after = some[-1]["pk"]
        with transaction.atomic():
            changed = 0
            for row in some:
                changes = dict(_changes(place, row, subject))
                if changes:
                    changed += place.model._default_manager.filter(pk=row["pk"]).update(**changes)
            progress.count("texts", changed)


def mentioning(rows: "models.QuerySet[Any]", place: Place, subject: Subject) -> "models.QuerySet[Any]":
    """The rows in which the value may be mentioned, in the order of their keys."""
    wanted = Q()
    for column in place.texts:
        wanted |= Q(**{f"{column}__contains": subject.value})
    for column in place.documents:
        rows = rows.alias(**{f"{column}_text": Cast(column, TextField())})
        for form in _forms(subject.value):
            wanted |= Q(**{f"{column}_text__contains": form})
    return rows.filter(wanted).order_by("pk")


def _forms(value: str) -> set[str]:
    """The ways in which the databases write a text inside JSON, without its quotes."""
    return {json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}


def _changes(place: Place, row: Mapping[str, Any], subject: Subject) -> Iterator[tuple[str, Any]]:
    for column in (*place.texts, *place.documents):
        old = row[column]
        if old is None:
            continue
        new = subject.out_of(old) if column in place.texts else subject.out_of_json(old)
        if new != old:
            yield column, _shortened(place.model, column, new) if column in place.texts else new


def _shortened(model: type[models.Model], column: str, text: str) -> str:
    most = getattr(model._meta.get_field(column), "max_length", None)
    return text[:most] if most else text
