"""The history of a batch: its events, whom they were told to, and its audit entries about acts and refusals of people."""

import uuid

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.pages.batches.page_around import page_around
from batches.console.pages.webhooks.badges import delivery_rows, named
from batches.models import WebhookDelivery
from batches.services.core.access import Right
from batches.services.insight.audit_log import records_about

MOST = 200  # the most events, audit entries and deliveries that are shown: the latest


@require_safe
@requires(Right.READ)
def batch_history(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """The events in order of time; the audit entries and the deliveries of webhooks, the latest first."""
    batch = find_batch(request, batch_id)
    context = {
        **page_around(request, batch, page="batch_history"),
        "events": list(batch.events.select_related("operation").order_by("-created_at", "-pk")[:MOST])[::-1],
        "entries": records_about(batch, most=MOST),
        "most": MOST,
        "deliveries": delivery_rows(named(WebhookDelivery.objects.filter(batch=batch)).order_by("-created_at", "-pk")[:MOST]),
        "may_see_log": request.access.may(Right.MANAGE, batch.project),
    }
    return render(request, "console/batch_history.html", context)
