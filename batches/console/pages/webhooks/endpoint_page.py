"""The page of one webhook endpoint: its state, its settings, and the log of its deliveries."""

import uuid
from datetime import datetime

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, find, requires
from batches.console.kit.lists.list_query import chips, tidied
from batches.console.kit.lists.paging import BadPosition, KeysetPage, Sort, capped, capped_count, sorted_page
from batches.console.kit.live import respond, wants_fragment
from batches.console.pages.webhooks.badges import delivery_rows, endpoint_badge, named
from batches.filters import WebhookDeliveryFilter
from batches.models import DeliveryStatus, EventType, WebhookDelivery, WebhookEndpoint
from batches.services.core.access import Right
from batches.services.insight.audit_log import records_about
from batches.services.webhooks.endpoints import EVENT_TYPES

PAGE_SIZE = 50
LATEST_ACTS = 10
NEWEST = Sort("created", "created_at", "Created", descending=True, model=WebhookDelivery)


def find_endpoint(request: SignedIn, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    """The endpoint that the address names. Raises NotFound and NotPermitted."""
    return find(request, WebhookEndpoint.objects.select_related("project"), pk=endpoint_id)


@require_safe
@requires(Right.READ)
def endpoint_page(request: SignedIn, endpoint_id: uuid.UUID) -> HttpResponseBase:
    """One endpoint, with those of its deliveries that match the filters in the address, the newest first."""
    endpoint, now = find_endpoint(request, endpoint_id), timezone.now()
    tidy = tidied(request.GET, order=NEWEST)
    if not wants_fragment(request) and tidy != request.GET:
        return redirect(f"{reverse('console:webhook', args=[endpoint.pk])}?{tidy.urlencode()}")
    found = FoundDeliveries(request, endpoint, now=now)
    waiting = capped_count(WebhookDelivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.WAITING))
    may_manage = request.access.may(Right.MANAGE, endpoint.project_id)
    context: dict[str, object] = {
        "endpoint": endpoint,
        "standing": endpoint_badge(endpoint),
        "waiting": waiting,
        "waiting_told": capped(waiting),
        "former": endpoint.has_former_secret(now=now),
        "events": [(word, EVENT_TYPES[word]) for word in endpoint.event_types if word in EVENT_TYPES],
        "rows": delivery_rows(found.page.rows),
        "page": found.page,
        "problems": found.problems,
        "filter": found.chosen,
        "chips": [] if found.chosen.problems else list(chips(found.chosen, tab="")),
        "count": found.count(),
        "statuses": DeliveryStatus.choices,
        "types": EventType.values,
        "any_delivery": bool(found.page.rows) or WebhookDelivery.objects.filter(endpoint=endpoint).exists(),
        "may_manage": may_manage,
        "records": records_about(endpoint, most=LATEST_ACTS) if may_manage else [],
    }
    return respond(request, "console/webhook.html", regions="console/webhook_regions.html", context=context)


class FoundDeliveries:
    """The result for the address: a page of an endpoint's deliveries, or the problems because of which there is none."""

    def __init__(self, request: SignedIn, endpoint: WebhookEndpoint, *, now: datetime) -> None:
        query = request.GET
        self.chosen = WebhookDeliveryFilter(query, queryset=WebhookDelivery.objects.filter(endpoint=endpoint), now=now)
        self.problems = list(self.chosen.problems)
        self.page: KeysetPage[WebhookDelivery] = KeysetPage([])
        after, before = query.get("after"), query.get("before")
        self._is_first = not after and not before
        try:
            self.page = sorted_page(named(self.chosen.matching), sort=NEWEST, after=after, before=before, size=PAGE_SIZE)
        except BadPosition as error:
            self.problems.append(str(error))

    def count(self) -> str:
        """The number of matches in words. A single page needs no query."""
        if self.problems:
            return "0"
        whole = self._is_first and self.page.forward is None
        return capped(len(self.page.rows) if whole else capped_count(self.chosen.matching))
