"""Bodies from OpenAI's clients. Unknown keys are refused."""

from typing import Any

from rest_framework import serializers

from batches.dialects.shared import creation
from batches.dialects.shared.endpoints import canonical
from batches.dialects.shared.files import UPLOADED
from batches.http.fields import AnyCompletionWindow, EndpointPath, Fields, Filename, Lifetime, OneOf, Text, WholeNumber


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
