"""The page of one error group: its failures, the batches that have them, and notes of people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from batches.console.drawing.charts import BarChart, Series
from batches.console.kit.access import SignedIn, act_of, actor, requires
from batches.console.kit.download_menu import Download, results_download
from batches.console.kit.form_text import form_text
from batches.console.kit.lists.paging import BadPosition
from batches.console.pages.acts.retry_batch import may_retry
from batches.console.pages.outcomes.error_list import WORDS, BadWindow, read_window, window_tabs
from batches.models import AuditEntry, Batch, BatchError, BatchObject, ErrorGroup, load_counts
from batches.models.error_group import GROUP_NOTE_CHARS
from batches.services.core.access import Access, Right
from batches.services.core.audit import RECORDED_REASON_CHARS
from batches.services.insight import group_members
from batches.services.insight.error_group_notes import annotate, mute, unmute
from batches.services.insight.error_groups import Group, GroupWindow, described
from batches.services.insight.group_members import MemberPosition
from batches.services.insight.withheld import unquoting, unquoting_group
from batches.services.retry.elsewhere import elsewhere

PAGE_SIZE, MOST_BATCHES, MOST_ENTRIES = 20, 20, 20
STEPS = {GroupWindow.DAY: "an hour", GroupWindow.WEEK: "every 6 hours", GroupWindow.MONTH: "a day"}
LABELS = {GroupWindow.DAY: "%H:%M", GroupWindow.WEEK: "%a %H:%M", GroupWindow.MONTH: "%d %b"}


@dataclass(frozen=True, slots=True)
class Touched:
    """A batch with failures of the group: their number, those of them that a retry recovered, and whether to offer a retry."""

    batch: Batch
    count: int
    recovered: int
    last_seen: datetime
    may_retry: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A failure, its batch and its object. The object is None for an invalid line of an input.

    `elsewhere` is the object of another batch in which the request succeeded, or is being sent again.
    """

    error: BatchError
    batch: Batch
    object: BatchObject | None
    elsewhere: BatchObject | None


@require_safe
@requires(Right.READ)
def error_group(request: SignedIn, fingerprint: str) -> HttpResponseBase:
    """The page of one group, over all projects of its reader."""
    now = timezone.now()
    groups = request.access.within(ErrorGroup.objects.all())
    window, problems = GroupWindow.DAY, list[str]()
    after = request.GET.get("after", "")
    try:
        window = read_window(request.GET)
    except BadWindow as error:
        problems.append(str(error))
    position = MemberPosition.read(after)
    if after and position is None:
        problems.append(str(BadPosition()))
    group = _described(request, groups, fingerprint, window=window, now=now)
    page = group_members.members(groups, fingerprint, limit=PAGE_SIZE, after=position)
    touched = _touched(request, groups, fingerprint)
    context = {
        "group": group,
        "problems": problems,
        "words": WORDS[window],
        "since": window.starts(now=now),
        "tabs": list(window_tabs(request.GET, window)),
        "window": request.GET.get("window", ""),
        "chart": _chart(group, window, now=now),
        "messages_as_they_came": group_members.messages(request.access.within(groups, right=Right.READ_BODIES), fingerprint),
        "batches": touched,
        "downloads": [_download(row.batch, fingerprint) for row in touched],
        "without_bodies": not all(request.access.may(Right.READ_BODIES, row.batch.project_id) for row in touched),
        "members": [] if problems else list(_members(unquoting(page.errors, request.access.readable), request.access)),
        "forward": str(page.following) if page.following and not problems else "",
        "deep": bool(after),
        "may_act": any(
            request.access.may(Right.ACT, project)
            for project in groups.filter(fingerprint=fingerprint).values_list("project", flat=True)
        ),
        "history": _history(groups, fingerprint),
        "note_chars": GROUP_NOTE_CHARS,
        "reason_chars": RECORDED_REASON_CHARS,
    }
    return render(request, "console/error_group.html", context)


@require_POST
@requires(Right.ACT)
def mark_error_group(request: SignedIn, fingerprint: str) -> HttpResponseBase:
    """Mute or unmute a group, or write a note, in those of its projects in which the person may act."""
    groups, act, now = _changeable(request, fingerprint), request.POST.get("act"), timezone.now()
    reason = form_text(request, "reason", chars=RECORDED_REASON_CHARS)
    if act == "mute":
        mute(groups, actor=actor(request), now=now, reason=reason)
        messages.success(request, "Group muted. The portal still counts it; the list of errors hides it.")
    elif act == "unmute":
        unmute(groups, actor=actor(request), now=now, reason=reason)
        messages.success(request, "Group unmuted.")
    elif act == "note":
        annotate(groups, form_text(request, "note", chars=GROUP_NOTE_CHARS), actor=actor(request), now=now)
        messages.success(request, "Note saved.")
    else:
        messages.error(request, "The form names no act of this page.")
    return redirect("console:error_group", fingerprint)


def _changeable(request: SignedIn, fingerprint: str) -> QuerySet[ErrorGroup]:
    """The group in the projects in which the person may act. Raises NotPermitted, with an audit entry, if there is none."""
    same = ErrorGroup.objects.filter(fingerprint=fingerprint)
    groups = request.access.within(same, right=request.right)
    if not groups.exists():
        seen = request.access.within(same).select_related("project").first()
        if seen is None:
            raise Http404
        request.access.require(request.right, seen.project, act=act_of(request), now=timezone.now(), target=seen)
    return groups


def _described(request: SignedIn, groups: QuerySet[ErrorGroup], fingerprint: str, *, window: GroupWindow, now: datetime) -> Group:
    found = described(groups, [fingerprint], window=window, now=now, redact=unquoting_group(request.access.readable))
    if not found:
        raise Http404("There is no such error group.")
    return found[0]


def _chart(group: Group, window: GroupWindow, *, now: datetime) -> BarChart:
    start = window.starts(now=now)
    steps = [timezone.localtime(start + timedelta(hours=window.step * number)) for number in range(len(group.trend))]
    labels = [f"{step:{LABELS[window]}}" for step in steps]
    return BarChart(f"Failures {STEPS[window]}", labels, [Series("Failures", "bad", group.trend)])


def _touched(request: SignedIn, groups: QuerySet[ErrorGroup], fingerprint: str) -> list[Touched]:
    rows = group_members.touched(groups, fingerprint, limit=MOST_BATCHES)
    load_counts([row.batch for row in rows])
    return [
        Touched(
            row.batch,
            row.count,
            row.recovered,
            row.last_seen,
            may_retry=row.recovered < row.count and may_retry(request.access, row.batch),
        )
        for row in rows
    ]


def _download(batch: Batch, fingerprint: str) -> Download:
    """The failures of the group in one batch, to be taken out."""
    return results_download(batch, f"{batch.remark or batch}", {"error": fingerprint})


def _members(errors: Sequence[BatchError], access: Access) -> Iterable[Member]:
    """The errors with their batches and objects, in four queries."""
    batches = Batch.objects.select_related("input_file").in_bulk({error.batch_id for error in errors})
    lines: dict[object, list[int]] = {}
    for error in errors:
        lines.setdefault(error.batch_id, []).append(error.line or 0)
    wanted = Q()
    for batch_id, of_batch in lines.items():
        wanted |= Q(batch=batch_id, line__in=of_batch)
    objects = {(found.batch_id, found.line): found for found in BatchObject.objects.filter(wanted)} if errors else {}
    taken_up = elsewhere(list(objects.values()), among=access.batches())
    for error in errors:
        found = objects.get((error.batch_id, error.line or 0))
        yield Member(error, batches[error.batch_id], found, taken_up.get(found.pk) if found else None)


def _history(groups: QuerySet[ErrorGroup], fingerprint: str) -> list[AuditEntry]:
    """The audit entries about the group, the latest first."""
    keys = [str(key) for key in groups.filter(fingerprint=fingerprint).values_list("pk", flat=True)]
    done = AuditEntry.objects.filter(target_id__in=keys, outcome=AuditEntry.Outcome.DONE)
    return list(done.select_related("project")[:MOST_ENTRIES])
