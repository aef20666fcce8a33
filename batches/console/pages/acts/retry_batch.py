"""Retrying: the page that shows which objects would be sent again, and how; and the act."""

import re
import uuid
from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from batches.console.kit.access import SignedIn, actor, find_batch, requires
from batches.console.kit.form_text import form_text
from batches.console.pages.acts.retry_choices import retry_choices
from batches.models import LAST_LINE, Batch, BatchObject, Event
from batches.rules import fingerprints
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import InvalidRequest, PortalError
from batches.rules.states import Act, BatchStatus, ObjectStatus
from batches.services.core.access import Access, Right
from batches.services.core.route import other_providers
from batches.services.retry.child import UNSUCCESSFUL
from batches.services.retry.order import RetryOrder
from batches.services.retry.preview import preview
from batches.services.retry.retry import Retried, RetryMode, retry
from batches.services.retry.selection import EVERYTHING, WORTH_RETRYING, Selection

NAMED = 10  # the most objects that are named one by one


def may_retry(access: Access, batch: Batch) -> bool:
    """Whether the person may retry any object of the batch. This takes a query unless the batch's counts are loaded."""
    if not access.may(Right.ACT, batch.project_id):
        return False
    failed = batch.net_counts.unsuccessful if batch.is_terminal else batch.counts.failed
    return failed > batch.skipped_lines and (batch.is_terminal or batch.status == BatchStatus.IN_PROGRESS)


def retriable(batch: Batch) -> Collection[ObjectStatus]:
    """The statuses of objects that can be retried. While the batch runs, only failed objects can."""
    return UNSUCCESSFUL if batch.is_terminal else (ObjectStatus.FAILED,)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def retry_batch(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """Ask whether to retry failures of a batch: those worth it, all, some error groups, or those at some lines. POST retries."""
    batch, now = find_batch(request, batch_id), timezone.now()
    refusal: PortalError | None = None
    try:
        selection = read_selection(request.GET)
        if request.method == "POST":
            try:
                return _retried(request, batch, selection, now=now)
            except PortalError as error:
                if answer := answer_to_repetition(request, batch):
                    return answer
                refusal = error
                batch = find_batch(request, batch_id)
        would = preview(batch, selection=selection, now=now)
        choices = {} if selection.lines else retry_choices(batch, selection, request.access.readable, now=now)
    except PortalError as error:
        messages.error(request, (refusal or error).message)
        return redirect(_back(batch, request.GET))
    context = {
        "batch": batch,
        "would": would,
        "in_place": would.mode is RetryMode.IN_PLACE,
        "problems": [refusal.message] if refusal else [],
        "worth": selection == WORTH_RETRYING,
        "everything": selection == EVERYTHING,
        "named": _named(batch, selection),
        "back": _back(batch, request.GET),
        "impossible": not would.retried,
        **choices,
        **retry_form(request, batch),
    }
    return render(request, "console/retry.html", context, status=refusal.status if refusal else 200)


def retry_form(request: SignedIn, batch: Batch) -> dict[str, object]:
    """The context of a form that makes a child batch."""
    return {
        "providers": other_providers(batch),
        "provider": request.POST.get("provider", ""),
        "reason": request.POST.get("reason", ""),
        "reason_chars": REASON_CHARS,
        "currency": settings.CURRENCY,
    }


def read_selection(query: QueryDict) -> Selection:
    """The objects that an address names. Raises InvalidRequest."""
    lines = query.getlist("line")
    groups = frozenset(query.getlist("error"))
    worth = query.get("worth", "")
    if "groups" in query and not groups:
        raise InvalidRequest("Tick the error groups to send again.")
    if "some" in query and not lines:
        raise InvalidRequest("Tick the requests to send again.")
    if not all(line.isascii() and line.isdigit() and len(line) < 11 and 0 < int(line) <= LAST_LINE for line in lines):
        raise InvalidRequest("A line must be a whole number.")
    named = sum(map(bool, (groups, lines, worth)))
    if named > 1 or worth not in ("", "yes") or not all(re.fullmatch(fingerprints.PATTERN, group) for group in groups):
        raise InvalidRequest("The address does not name requests of the batch.")
    return Selection(groups, frozenset(map(int, lines)) if lines else None, worth_retrying=bool(worth))


def read_version(request: SignedIn) -> int | None:
    """The version of the batch when the form was made. It makes a double click one retry."""
    version = request.POST.get("version", "")
    return int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None


def read_order(request: SignedIn) -> RetryOrder:
    """The terms that the form of a retry names."""
    return RetryOrder(
        reason=form_text(request, "reason", chars=REASON_CHARS),
        provider_name=form_text(request, "provider", chars=64) or None,
        version=read_version(request),
    )


def answer_to_repetition(request: SignedIn, batch: Batch) -> HttpResponseBase | None:
    """The answer to a refused retry if the same person has retried the batch meanwhile, as with a double click; else None."""
    me, version = actor(request), read_version(request)
    mine = Event.objects.filter(batch=batch, act=Act.RETRIED, actor=me.name, source=me.source, version__gt=version or 0)
    last = mine.order_by("-created_at", "-id").first() if version is not None else None
    if last is None:
        return None
    messages.warning(request, f"You retried {batch} a moment ago, so nothing was sent twice. The first retry: {last.note}")
    child = Batch.objects.filter(parent=batch, created_by=me.name, created_at__gte=last.created_at).first()
    return redirect("console:batch", child.pk if child else batch.pk)


def say_retried(request: SignedIn, batch: Batch, done: Retried) -> HttpResponseBase:
    """Show a message about a retry, and redirect to the batch that carries it out."""
    left_out = f" {done.skipped:,} skipped: already succeeded, or in another retry." if done.skipped else ""
    if done.mode is RetryMode.IN_PLACE:
        messages.success(request, f"{done.requests} will be sent again in this batch, as a new round.{left_out}")
    else:
        messages.success(request, _what_comes_next(batch, done, left_out))
    return redirect("console:batch", done.batch.pk)


def _what_comes_next(batch: Batch, done: Retried, left_out: str) -> SafeString:
    """A sentence about a child batch and its parent, in numbers, with a link to the parent."""
    net = batch.net_counts
    most = min(net.succeeded + done.retried, net.total)
    return render_to_string(
        "console/retried.html", {"batch": batch, "done": done, "left_out": left_out, "net": net, "most": most}
    )


def _retried(request: SignedIn, batch: Batch, selection: Selection, *, now: datetime) -> HttpResponseBase:
    done = retry(
        batch,
        selection=selection,
        actor=actor(request),
        now=now,
        order=read_order(request),
    )
    return say_retried(request, batch, done)


def _named(batch: Batch, selection: Selection) -> dict[str, object]:
    """The selected objects by their names, if they are selected by their lines."""
    if selection.lines is None:
        return {}
    objects = BatchObject.objects.filter(batch=batch, line__in=selection.lines).order_by("line")
    return {"objects": objects[:NAMED], "more": max(len(selection.lines) - NAMED, 0)}


def _back(batch: Batch, query: QueryDict) -> str:
    """The address of the page with the button: the page of one object, or of the batch."""
    lines = query.getlist("line")
    if len(lines) == 1 and lines[0].isascii() and lines[0].isdigit() and 0 < int(lines[0][:10]) <= LAST_LINE:
        return reverse("console:object", args=[batch.pk, int(lines[0][:10])])
    return reverse("console:batch", args=[batch.pk])
