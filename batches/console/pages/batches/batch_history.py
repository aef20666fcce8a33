"""The history of a batch: its events, and its audit entries about acts and refusals of people."""

import uuid

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.pages.batches.page_around import page_around
from batches.services.core.access import Right
from batches.services.insight.audit_log import records_about

MOST = 200  # the most events, and audit entries, that are shown: the latest


@require_safe
@requires(Right.READ)
def batch_history(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """The events in order of time, and the audit entries, the latest first."""
    batch = find_batch(request, batch_id)
    context = {
        **page_around(request, batch, page="batch_history"),
        "events": list(batch.events.select_related("operation").order_by("-created_at", "-pk")[:MOST])[::-1],
        "entries": records_about(batch, most=MOST),
        "most": MOST,
        "may_see_log": request.access.may(Right.MANAGE, batch.project),
    }
    return render(request, "console/batch_history.html", context)
