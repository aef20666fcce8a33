"""Webhook endpoints as clients of the native API get them, and the bodies of calls about one."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.names import ID
from batches.http.fields import Fields, Flag, OneOf, Text
from batches.http.rendering import PrefixedId
from batches.models import EventType, WebhookEndpoint
from batches.models.webhook import OF_ENDS, WEBHOOK_NAME_CHARS, WEBHOOK_URL_CHARS

TYPES = " ".join(f"`{each.value}`: {each.label}" for each in EventType)
USUAL = ", ".join(f"`{each.value}`" for each in OF_ENDS)


@extend_schema_field({"type": "string", "pattern": f"^we_{ID}$", "example": "we_019bd3a1e3b18a55a1f2b97401c5d326"})
class EndpointId(PrefixedId):
    """A webhook endpoint's id."""

    def __init__(self, *, source: str | None = None) -> None:
        super().__init__("we_", source=source)


@extend_schema_serializer(component_name="WebhookEndpoint")
class ShownEndpoint(serializers.Serializer[WebhookEndpoint]):
    """A receiver of a project's events. Its secret is only shown when it is made."""

    id = EndpointId()
    project = serializers.SlugField(source="project.slug")
    name = serializers.CharField()
    url = serializers.SerializerMethodField(
        help_text="Where events are posted to. Null for the endpoint that stands for the `callback_url`s of batches."
    )
    event_types = serializers.ListField(child=serializers.ChoiceField(choices=EventType.values), help_text=TYPES)
    enabled = serializers.BooleanField(help_text="Whether events are sent. Events of the time when it is disabled are not.")
    disabled_at = serializers.DateTimeField(allow_null=True)
    disabled_reason = serializers.CharField(help_text="Why it is disabled: by whom, or for which failures.")
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="The first failure after the latest success; null while deliveries succeed."
    )
    secret_hint = serializers.CharField(help_text="The last four characters of the secret.")
    former_secret_until = serializers.DateTimeField(
        source="former_until", allow_null=True, help_text="Until then deliveries are signed with the former secret as well."
    )
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField(help_text="The latest change of its settings or its secret.")

    def get_url(self, endpoint: WebhookEndpoint) -> str | None:
        return endpoint.url or None


@extend_schema_serializer(component_name="WebhookEndpointWithSecret")
class ShownEndpointWithSecret(ShownEndpoint):
    """A webhook endpoint with its new secret. No other answer has the secret."""

    secret = serializers.SerializerMethodField(help_text="The secret that signs deliveries, by Standard Webhooks.")

    def get_secret(self, _endpoint: WebhookEndpoint) -> str:
        return str(self.context["secret"])


class EventTypes(serializers.ListField):
    """Types of events, at least one."""

    child = OneOf(EventType.values)

    def __init__(self, **options: Any) -> None:
        messages: dict[str, Any] = {"empty": "It must name at least one event type.", "not_a_list": "It must be a list."}
        super().__init__(allow_empty=False, max_length=100, error_messages=messages, **options)


class Settings(Fields):
    """The settings of an endpoint."""

    name = Text(max_length=WEBHOOK_NAME_CHARS, allow_blank=True, required=False, help_text="A name for people.")
    event_types = EventTypes(required=False, help_text=f"The events that are sent. If not given: {USUAL}.")


@extend_schema_serializer(component_name="CreateWebhookEndpoint")
class CreateEndpoint(Settings):
    """The endpoint to add."""

    url = Text(max_length=WEBHOOK_URL_CHARS, help_text="Where events are posted to, such as `https://example.com/hooks`.")
    project = Text(required=False, allow_null=True, default=None, help_text="Only needed without an API key.")


@extend_schema_serializer(component_name="UpdateWebhookEndpoint")
class UpdateEndpoint(Settings):
    """The settings to change. Others stay as they are."""

    event_types = EventTypes(required=False, help_text="All events that are sent from now on.")
    url = Text(max_length=WEBHOOK_URL_CHARS, required=False, help_text="Where events are posted to from now on.")
    enabled = Flag(required=False, help_text="Whether events are sent.")


@extend_schema_serializer(component_name="RotateWebhookSecret")
class RotateSecret(Fields):
    """How long the former secret is used. The body may be left out."""

    keep_former = Flag(
        default=True, help_text="Sign with the former secret as well for a while, so that receivers can be changed meanwhile."
    )


@extend_schema_serializer(component_name="TestWebhookEndpoint")
class TestEndpoint(Fields):
    """The event to send. The body may be left out."""

    event_type = OneOf(EventType.values, default=EventType.COMPLETED.value, help_text="The type of the event.")
