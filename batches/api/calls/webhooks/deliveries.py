"""The deliveries of a webhook endpoint: list, retrieve, send again; and the types of events."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.calls.webhooks.endpoints import EndpointView
from batches.api.fields.names import listed
from batches.api.fields.webhooks.deliveries import PREFIX, Redeliver, ShownDelivery, ShownDeliveryDetail
from batches.api.openapi import documented
from batches.api.openapi.schema import page_of, parameters_of
from batches.api.view import NativeView, require_understood
from batches.filters import WebhookDeliveryFilter
from batches.http.paging import page_after
from batches.models import WebhookDelivery
from batches.rules import identifiers
from batches.rules.errors import NotFound
from batches.services.core.access import Right
from batches.services.webhooks.deliveries import redeliver
from batches.services.webhooks.endpoints import EVENT_TYPES


class DeliveryQuery(WebhookDeliveryFilter):
    """The filters of the console, and the parameters of pages."""

    others = frozenset({"limit", "cursor"})


class WebhookDeliveries(EndpointView):
    """/webhook_endpoints/{endpoint_id}/deliveries"""

    requires = {"list": Right.READ, "retrieve": Right.READ, "redeliver": Right.ACT}  # noqa: RUF012 - read only

    @extend_schema(
        operation_id="list_webhook_deliveries",
        summary="List the deliveries of a webhook endpoint",
        parameters=[*parameters_of(DeliveryQuery), *documented.PAGE],
        responses=page_of(ShownDelivery, "WebhookDeliveryPage"),
    )
    def list(self, request: Request, endpoint_id: str) -> Response:
        """The events that were sent to an endpoint or wait for it, the newest first. They are kept for a while."""
        query = request.query_params
        known = WebhookDelivery.objects.filter(endpoint=self.find_endpoint(endpoint_id))
        chosen = DeliveryQuery(query, queryset=known.defer("body", "answer"), now=timezone.now())
        require_understood(chosen, query)
        page = page_after(chosen.matching, known, after=query.get("cursor"), limit=self.limit(), name="cursor")
        following = identifiers.render(PREFIX, page.rows[-1].pk) if page.has_more else None
        return self.page(listed(ShownDelivery, page.rows), next_cursor=following)

    @extend_schema(operation_id="retrieve_webhook_delivery", summary="Retrieve a webhook delivery", responses=ShownDeliveryDetail)
    def retrieve(self, _request: Request, endpoint_id: str, delivery_id: str) -> Response:
        """One delivery, with the event that was sent and the beginning of the latest answer."""
        return self._answer(self._find(endpoint_id, delivery_id))

    @extend_schema(
        operation_id="redeliver_webhook", summary="Send an event again", request=Redeliver, responses=ShownDeliveryDetail
    )
    def redeliver(self, _request: Request, endpoint_id: str, delivery_id: str) -> Response:
        """Send an event once more, with the same `webhook-id` and body, so that a receiver that has it can tell.

        A delivery that waits is tried at once. One that is over gets a new delivery, whose `redelivery_of` names it. A disabled
        endpoint gets nothing (409).
        """
        delivery = self._find(endpoint_id, delivery_id)
        self.fields(Redeliver)
        return self._answer(redeliver(delivery, actor=self.actor, now=timezone.now()))

    def _find(self, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
        """The delivery that the path names. Raises NotFound and NotPermitted."""
        self.allow_parameters()
        endpoint = self.find_endpoint(endpoint_id)
        pk = identifiers.parse(delivery_id)
        found = WebhookDelivery.objects.filter(endpoint=endpoint, pk=pk).first() if pk is not None else None
        if found is None:
            raise NotFound(f"Endpoint {endpoint} has no delivery with the id {delivery_id[:100]!r}.", param="delivery_id")
        found.endpoint = endpoint
        return found

    def _answer(self, delivery: WebhookDelivery) -> Response:
        context = {"reads": self.caller.readable(delivery.project_id)}
        return Response(ShownDeliveryDetail(delivery, context=context).data)


@extend_schema_serializer(component_name="WebhookEventType")
class ShownEventType(serializers.Serializer[Any]):
    """A type of events that an endpoint may ask for."""

    name = serializers.CharField()
    description = serializers.CharField(help_text="When it happens.")


class WebhookEventTypes(NativeView):
    """/webhook_event_types"""

    tag = "Webhooks"
    thing = "webhook_event_type"
    requires = {"list": Right.READ}  # noqa: RUF012 - read only

    @extend_schema(
        operation_id="list_webhook_event_types",
        summary="List the types of events",
        responses=page_of(ShownEventType, "WebhookEventTypePage"),
    )
    def list(self, _request: Request) -> Response:
        """The types of events that an endpoint may ask for."""
        self.allow_parameters()
        types = [{"name": name, "description": sentence} for name, sentence in EVENT_TYPES.items()]
        return self.page(listed(ShownEventType, types), next_cursor=None)
