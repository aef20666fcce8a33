"""The list of webhook endpoints over all projects of the reader."""

import uuid
from collections.abc import Sequence

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponseBase
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, requires
from batches.console.kit.live import respond
from batches.console.pages.webhooks.badges import DeliveryRow, delivery_rows, endpoint_badge, named
from batches.models import Project, WebhookDelivery, WebhookEndpoint
from batches.services.core.access import Right

MOST_SHOWN = 500


@require_safe
@requires(Right.READ)
def endpoint_list(request: SignedIn) -> HttpResponseBase:
    """The endpoints of the project in the address, or of all projects that the person sees, each with its latest delivery."""
    projects, project = request.access.projects(), request.GET.get("project", "")
    found = list(_of(request, project).order_by("project__slug", "created_at", "pk")[: MOST_SHOWN + 1])
    shown = found[:MOST_SHOWN]
    latest = _latest(shown)
    context: dict[str, object] = {
        "endpoints": [(endpoint, endpoint_badge(endpoint), latest.get(endpoint.pk)) for endpoint in shown],
        "cut": len(found) > MOST_SHOWN,
        "most": MOST_SHOWN,
        "project": project,
        "projects": projects.order_by("slug")[:MOST_SHOWN],
        "may_manage": request.access.may_somewhere(Right.MANAGE),
    }
    return respond(request, "console/webhooks.html", regions="console/webhooks_regions.html", context=context)


def _of(request: SignedIn, project: str) -> "QuerySet[WebhookEndpoint]":
    endpoints = request.access.within(WebhookEndpoint.objects.select_related("project"))
    if not project:
        return endpoints
    return endpoints.filter(project=chosen) if (chosen := Project.objects.called(project)) else endpoints.none()


def _latest(endpoints: Sequence[WebhookEndpoint]) -> dict[uuid.UUID, DeliveryRow]:
    """The latest delivery of each endpoint that has any. Two queries."""
    own = WebhookDelivery.objects.filter(endpoint=OuterRef("pk")).order_by("-created_at", "-pk").values("pk")
    among = WebhookEndpoint.objects.filter(pk__in=[endpoint.pk for endpoint in endpoints])
    newest = [pk for pk in among.values_list(Subquery(own[:1]), flat=True) if pk is not None]
    return {row.delivery.endpoint_id: row for row in delivery_rows(named(WebhookDelivery.objects.filter(pk__in=newest)))}
