"""Cancelling a batch: a page that says what will happen, and the act."""

import uuid

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from batches.console.access import SignedIn, actor, find_batch, requires
from batches.console.said import said
from batches.console.standing import progress, standing
from batches.services.access import Right
from batches.services.cancel import NotCancellable, cancel
from batches.states import MOVES, BatchStatus

NOTE_CHARS = 1000


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def cancel_batch(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """Ask whether the batch is to be cancelled; cancel it on POST."""
    batch = find_batch(request, batch_id)
    now = timezone.now()
    if request.method == "POST":
        note = said(request, "note", chars=NOTE_CHARS)
        try:
            cancel(batch, actor=actor(request), now=now, note=note)
        except NotCancellable as error:
            messages.error(request, error.message)
        else:
            messages.success(request, "The batch is being cancelled. What is in flight may still settle.")
        return redirect("console:batch", batch.id)
    if BatchStatus.CANCELLING not in MOVES[BatchStatus(batch.status)]:
        messages.error(request, f"A batch that is {BatchStatus(batch.status).label.lower()} cannot be cancelled.")
        return redirect("console:batch", batch.id)
    context = {
        "batch": batch,
        "counts": batch.counts,
        "standing": standing(batch, now=now),
        "progress": progress(batch),
        "note_chars": NOTE_CHARS,
    }
    return render(request, "console/cancel.html", context)
