"""Editing one request and sending it again: a form, a page that shows the differences, and the act."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from batches.console.drawing.diff import difference
from batches.console.drawing.pretty import indent
from batches.console.kit.access import SignedIn, act_of, actor, find_batch, requires
from batches.console.pages.acts.retry_batch import answer_to_repetition, read_order, retry_form, say_retried
from batches.models import Batch, BatchObject
from batches.rules.errors import PortalError
from batches.services.core.access import Right
from batches.services.results.results import request_body
from batches.services.retry.preview import preview
from batches.services.retry.resend import edited, resend
from batches.services.retry.selection import Selection

# A form may have MAX_JSON_BYTES. The indented body must fit into it, with some room for the other fields.
EDITABLE_BYTES = settings.MAX_JSON_BYTES * 3 // 4


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def edit_object(request: SignedIn, batch_id: uuid.UUID, line: int) -> HttpResponseBase:
    """Edit the body of one request of an ended batch. POST shows the differences; with `act=send` it sends the request."""
    batch, now = find_batch(request, batch_id), timezone.now()
    request.access.require(Right.READ_BODIES, batch.project, act=act_of(request), now=now, target=batch)
    found = BatchObject.objects.filter(batch=batch, line=line).first()
    if found is None:
        raise Http404("The batch has no such line.")
    try:
        before = _before(batch, line)
        would = preview(batch, selection=Selection(lines=frozenset({line})), now=now)
        if not batch.is_terminal or not would.retried:
            raise _NotEditable
        body = request.POST.get("body", before)
        draft = edited(batch, line, body) if request.method == "POST" else None
        problems = list(draft.problems) if draft else []
        if draft and not problems and request.POST.get("act") == "send":
            return _sent(request, batch, line, body)
    except PortalError as error:
        if request.method == "POST" and (answer := answer_to_repetition(request, batch)):
            return answer
        messages.error(request, error.message)
        return redirect("console:object", batch.pk, line)
    context = {
        "batch": batch,
        "object": found,
        "body": body,
        "problems": problems,
        "draft": draft,
        "diff": difference(before, draft.after.decode()) if draft and not problems else None,
        "editing": draft is None or bool(problems) or request.POST.get("act") == "edit",
        "would": would,
        **retry_form(request, batch),
    }
    return render(request, "console/edit_object.html", context, status=422 if problems else 200)


class _NotEditable(PortalError):
    """It can be edited once its batch has ended without its success, and while no other retry has taken it up."""

    status = 409


def _before(batch: Batch, line: int) -> str:
    """The body of the request as it was sent, indented. Raises Gone and TooLargeToEdit."""
    readable = indent(request_body(batch, line).decode())
    if len(readable.encode()) > EDITABLE_BYTES:
        raise TooLargeToEdit
    return readable


class TooLargeToEdit(PortalError):
    """The request is too large to be edited in a browser: download the input, and start another batch."""

    status = 413


def _sent(request: SignedIn, batch: Batch, line: int, body: str) -> HttpResponseBase:
    done = resend(
        batch,
        line=line,
        body=body,
        actor=actor(request),
        now=timezone.now(),
        order=read_order(request),
    )
    return say_retried(request, batch, done)
