"""Deliveries of webhooks as clients of the native API get them."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.names import ID, BatchIdIfAny
from batches.api.fields.webhooks.endpoints import EndpointId
from batches.http.fields import Fields
from batches.http.rendering import PrefixedId
from batches.models import DeliveryStatus, EventType, WebhookDelivery
from batches.models.webhook import WEBHOOK_ANSWER_CHARS

PREFIX = "delivery_"
DELIVERY_ID = {"type": "string", "pattern": f"^{PREFIX}{ID}$", "example": f"{PREFIX}019bd3a1f4c29b66b2a3ca8512d6e437"}


@extend_schema_field(DELIVERY_ID)
class DeliveryId(PrefixedId):
    """A delivery's id."""

    def __init__(self, *, source: str | None = None) -> None:
        super().__init__(PREFIX, source=source)


@extend_schema_field({**DELIVERY_ID, "nullable": True})
class DeliveryIdIfAny(DeliveryId):
    """A delivery's id, or null."""


@extend_schema_field({"type": "string", "pattern": f"^evt_{ID}$", "example": "evt_019bd3a205da8c77a3b4db9623e7f548"})
class EventId(PrefixedId):
    """An event's id."""

    def __init__(self) -> None:
        super().__init__("evt_")


@extend_schema_serializer(component_name="WebhookDelivery")
class ShownDelivery(serializers.Serializer[WebhookDelivery]):
    """One event on its way to one endpoint."""

    id = DeliveryId()
    event_id = EventId()
    endpoint_id = EndpointId()
    type = serializers.ChoiceField(choices=EventType.values)
    batch_id = BatchIdIfAny()
    test = serializers.BooleanField(source="is_test", help_text="Whether it is a test, whose event names no batch that exists.")
    url = serializers.CharField()
    status = serializers.ChoiceField(
        choices=DeliveryStatus.values,
        help_text="`waiting`: it is to be sent, or tried again. `delivered`: the receiver answered 2xx. `given_up`: it was tried "
        "until there was no more time, or is a test that failed.",
    )
    attempts = serializers.IntegerField(help_text="How many times it was sent.")
    next_try_at = serializers.DateTimeField(
        source="due_at", allow_null=True, help_text="When it is sent next; null if it is over, or its endpoint is disabled."
    )
    http_status = serializers.IntegerField(allow_null=True, help_text="The status of the latest answer; null without an answer.")
    failure = serializers.CharField(help_text="Why the latest try failed; empty if it succeeded.")
    took_ms = serializers.IntegerField(allow_null=True, help_text="How long the latest try took.")
    created_at = serializers.DateTimeField()
    last_try_at = serializers.DateTimeField(source="sent_at", allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    redelivery_of = DeliveryIdIfAny(source="redelivery_of_id")


@extend_schema_serializer(component_name="WebhookDeliveryDetail")
class ShownDeliveryDetail(ShownDelivery):
    """One delivery, with what was sent and answered."""

    event = serializers.SerializerMethodField(help_text="The event, as it is in the body of the request.")
    answer = serializers.SerializerMethodField(
        help_text=f"The first {WEBHOOK_ANSWER_CHARS:,} characters of the latest answer's body; empty for those who may not read "
        "bodies."
    )

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_event(self, delivery: WebhookDelivery) -> Any:
        return json.loads(bytes(delivery.body))

    def get_answer(self, delivery: WebhookDelivery) -> str:
        return delivery.answer if self.context["reads"] else ""


@extend_schema_serializer(component_name="RedeliverWebhook")
class Redeliver(Fields):
    """An empty object; the body may be left out."""
