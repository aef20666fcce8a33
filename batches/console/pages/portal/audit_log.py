"""The audit log, for admins of projects: who did what, when and why, with old and new values; and its exports."""

from datetime import datetime
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, requires
from batches.console.kit.exports import not_exported
from batches.console.kit.lists.list_export import json_line, moment
from batches.console.kit.lists.list_query import MOST_CHOICES, chips, with_changes
from batches.console.kit.lists.paging import BadPosition
from batches.filters import CREATED, AuditFilter
from batches.models import AuditEntry
from batches.rules import identifiers
from batches.rules.display import audit_words
from batches.rules.display.csv_lines import csv_lines
from batches.rules.states import Source
from batches.services.core.access import Right
from batches.services.exports.form import CONTENT_TYPES, Form
from batches.services.insight.audit_log import LogPage, LogPosition, Record, audit_page, audit_records
from batches.services.insight.audit_question import LogQuestion, administered

PAGE_SIZE = 50
FIELDS = ("at", "actor", "source", "act", "what", "outcome", "project", "target_type", "target_id", "target", "reason", "changes")
CARRIED = ("target", "created_from", "created_to")  # parameters of the form that have no field of their own


@require_safe
@requires(Right.MANAGE)
def audit_log(request: SignedIn) -> HttpResponseBase:
    """The records that match the filters in the address, the newest first."""
    chosen = _chosen(request, now=timezone.now())
    problems, page = list(chosen.problems), LogPage([])
    try:
        after = _position(request.GET.get("after", ""))
        page = (
            page
            if problems
            else audit_page(LogQuestion.of(chosen, within=administered(request.access)), after=after, size=PAGE_SIZE)
        )
    except BadPosition as error:
        problems.append(str(error))
    context: dict[str, object] = {
        "records": [(record, _address(request, record)) for record in page.records],
        "page": page,
        "forward": with_changes(request.GET, {"after": [str(page.following)]}).urlencode() if page.following else "",
        "newest": with_changes(request.GET, {"after": None}).urlencode() if request.GET.get("after") else None,
        "problems": problems,
        "filter": chosen,
        "chips": [] if problems else list(chips(chosen, tab="")),
        "carried": [(name, value) for name in CARRIED for value in chosen.data.getlist(name)],
        "acts": audit_words.choices(),
        "sources": Source.choices,
        "outcomes": AuditEntry.Outcome.choices,
        "periods": CREATED,
        "projects": request.access.projects(Right.MANAGE).order_by("slug")[:MOST_CHOICES],
        "export": with_changes(request.GET, {"after": None}).urlencode(),
    }
    return render(request, "console/audit_log.html", context)


@require_safe
@requires(Right.MANAGE)
def export_audit(request: SignedIn, form: str) -> HttpResponseBase:
    """All records that match the filters, as CSV or JSON lines, streamed; 400 for an unknown filter."""
    now = timezone.now()
    chosen = _chosen(request, now=now)
    if chosen.problems:
        return not_exported(request, chosen.problems, back=reverse("console:audit_log"))
    records = map(_record, audit_records(LogQuestion.of(chosen, within=administered(request.access))))
    lines = csv_lines(map(_flat, records), FIELDS) if form == "csv" else map(json_line, records)
    headers = {"Content-Disposition": f'attachment; filename="audit-{now:%Y%m%dT%H%M%SZ}.{form}"'}
    return StreamingHttpResponse(lines, content_type=CONTENT_TYPES[Form(form)], headers=headers)


def _chosen(request: SignedIn, *, now: datetime) -> AuditFilter:
    within = None if request.access.everywhere else request.access.projects(Right.MANAGE)
    return AuditFilter(request.GET, now=now, within=within)


def _position(text: str) -> LogPosition | None:
    position = LogPosition.read(text) if text else None
    if text and position is None:
        raise BadPosition
    return position


def _address(request: SignedIn, record: Record) -> str:
    """The console's page of what a record is about; empty if there is none that the reader may open."""
    identifier = identifiers.parse(record.target_id)
    match record.target_type:
        case "batch" if identifier:
            return reverse("console:batch", args=[identifier])
        case "providerjob" if identifier:
            return reverse("console:provider_job", args=[identifier])
        case "apikey" if identifier:
            return reverse("console:api_key", args=[identifier])
        case "webhookendpoint" if identifier and record.act != "remove_webhook":
            return reverse("console:webhook", args=[identifier])
        case "bulkoperation" if identifier and request.access.everywhere:
            return reverse("console:bulk_operation", args=[identifier])
        case "provider" if record.target and record.act != "remove_provider":
            return reverse("console:provider", args=[record.target])
        case "user" if request.access.everywhere and request.user.is_staff and record.target_id:
            return reverse("admin:auth_user_change", args=[record.target_id])
    return ""


def _record(record: Record) -> dict[str, Any]:
    """A record in an export. Times are in UTC."""
    return {
        "at": moment(record.at),
        "actor": record.actor,
        "source": record.source,
        "act": record.act,
        "what": record.words,
        "outcome": record.outcome,
        "project": record.project,
        "target_type": record.target_type,
        "target_id": record.target_id,
        "target": record.target,
        "reason": record.reason,
        "changes": [
            {"name": each.name} if each.is_secret else {"name": each.name, "old": each.old, "new": each.new}
            for each in record.changes
        ],
    }


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record with its changes in one cell."""
    return record | {"changes": "; ".join(_in_words(each) for each in record["changes"])}


def _in_words(change: dict[str, str]) -> str:
    return f"{change['name']}: {change['old']} → {change['new']}" if "old" in change else f"{change['name']}: changed"
