"""Bodies from OpenAI's clients. Unknown keys are refused."""

from typing import Any

from rest_framework import serializers

from batches.dialects.shared import creation
from batches.dialects.shared.endpoints import canonical
from batches.dialects.shared.files import UPLOADED
from batches.http.fields import AnyCompletionWindow, EndpointPath, Fields, Filename, Flag, Lifetime, OneOf, Text, WholeNumber
from batches.models import EventType
from batches.models.webhook import WEBHOOK_NAME_CHARS, WEBHOOK_URL_CHARS


class CreateUpload(Fields):
    """A body that starts the upload of a file in parts."""

    bytes = WholeNumber(minimum=1)
    filename = Filename()
    mime_type = Text(max_length=255)
    purpose = OneOf(UPLOADED)
    expires_after = Lifetime()


class CompleteUpload(Fields):
    """A body that completes an upload: the parts of the file, in their order."""

    part_ids = serializers.ListField(
        child=Text(), error_messages={"not_a_list": "It must be a list of part ids.", "null": "It must not be null."}
    )
    md5 = Text(required=False, allow_null=True, default=None)


class Endpoint(EndpointPath):
    """The endpoint of a batch. The version may be missing, as in Azure's calls."""

    def to_internal_value(self, data: object) -> str:
        return super().to_internal_value(canonical(data) if isinstance(data, str) else data)


class CreateBatch(creation.CreateBatch):
    """A create body in OpenAI's format. In addition, `provider`, or `model` as `provider/model`, choose the provider.

    The window may be left out only if the requests are in the call itself.
    """

    endpoint = Endpoint(required=False, allow_null=True, default=None)
    completion_window = AnyCompletionWindow(default=None)
    model = creation.ModelName()
    provider = creation.ProviderName()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["input_file_id"] is not None and "completion_window" not in self.initial_data:
            raise serializers.ValidationError({"completion_window": "It is required."}, code="required")
        return attrs


class EventTypes(serializers.ListField):
    """Types of events. The service says which there are."""

    child = Text()

    def __init__(self, **options: Any) -> None:
        messages = {"not_a_list": "It must be a list of event types.", "null": "It must not be null."}
        super().__init__(error_messages={**messages, "empty": "It must name at least one event type."}, **options)


class CreateWebhookEndpoint(Fields):
    """A body that adds a webhook endpoint."""

    event_types = EventTypes(allow_empty=False)
    name = Text(max_length=WEBHOOK_NAME_CHARS)
    url = Text(max_length=WEBHOOK_URL_CHARS)


class UpdateWebhookEndpoint(Fields):
    """A body that changes a webhook endpoint. `enabled` is not in the contract."""

    event_types = EventTypes(allow_empty=False, required=False)
    name = Text(max_length=WEBHOOK_NAME_CHARS, required=False)
    url = Text(max_length=WEBHOOK_URL_CHARS, required=False)
    enabled = Flag(required=False)


class RotateSecret(Fields):
    """A body that asks for a new secret."""

    keep_old_secret_active_for_24_hours = Flag(default=False)


class TestWebhookEndpoint(Fields):
    """A body that asks for a test event."""

    event_type = OneOf(EventType.values)
