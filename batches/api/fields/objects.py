"""The contents of a batch as the native API shows them: objects, results, attempts, errors and events."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from batches.models import BatchError, Event
from batches.rules.states import BatchStatus, Source
from batches.services.results.object_result import ObjectResult


@extend_schema_serializer(component_name="ObjectError")
class ShownObjectError(serializers.Serializer[Any]):
    """The reason why an object failed, or was never sent."""

    code = serializers.CharField()
    message = serializers.CharField()


@extend_schema_serializer(component_name="BatchObject")
class ShownObject(serializers.Serializer[Any]):
    """One request of a batch, with its status and figures."""

    line = serializers.IntegerField(help_text="Its line in the input, from 1.")
    custom_id = serializers.CharField()
    status = serializers.ChoiceField(choices=["pending", "succeeded", "failed", "cancelled", "expired"])
    round = serializers.IntegerField(help_text="The number of the round; each retry by a person or client begins a new one.")
    attempts = serializers.IntegerField(help_text="How often the request was sent in this round.")
    http_status = serializers.IntegerField(allow_null=True)
    latency_ms = serializers.IntegerField(allow_null=True)
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    request_id = serializers.CharField(
        help_text="The provider's id of the request; if it gave none, the idempotency key of the call."
    )
    settled_at = serializers.DateTimeField(allow_null=True)
    error = ShownObjectError(allow_null=True)


@extend_schema_serializer(component_name="Attempt")
class ShownTry(serializers.Serializer[Any]):
    """One attempt: one call to the provider."""

    round = serializers.IntegerField()
    number = serializers.IntegerField(help_text="The number of the attempt in its round, from 1.")
    succeeded = serializers.BooleanField()
    kind = serializers.CharField(
        source="kind.value", allow_null=True, help_text="The kind of failure; null for the attempt that settled the object."
    )
    http_status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()
    request_id = serializers.CharField()
    latency_ms = serializers.IntegerField(allow_null=True)
    ended_at = serializers.DateTimeField()
    retry_at = serializers.DateTimeField(allow_null=True, help_text="When the next attempt may start.")


@extend_schema_serializer(component_name="Answer")
class ShownAnswer(serializers.Serializer[Any]):
    """The provider's answer.

    `body` is the body of the answer; a body that is no JSON object is put into one. A failed request never has the status of a
    success: if the provider reported an error inside a 2xx answer, the status is 502.
    """

    status_code = serializers.IntegerField()
    request_id = serializers.CharField()
    body = serializers.JSONField()


@extend_schema_serializer(component_name="BatchObjectDetail")
class ShownObjectDetail(ShownObject):
    """One object with its request, its answer and every attempt."""

    request = serializers.JSONField(
        help_text="The input line as the client wrote it, or its text if it is no JSON; null if it is no longer kept."
    )
    response = ShownAnswer(allow_null=True)
    history = ShownTry(many=True)


@extend_schema_serializer(component_name="Result")
class ShownResult(serializers.Serializer[Any]):
    """The result of one object: a response, or an error if there is none. `request` is included if the call asks for it."""

    line = serializers.IntegerField()
    custom_id = serializers.CharField()
    status = serializers.ChoiceField(choices=["succeeded", "failed", "cancelled", "expired"])
    response = ShownAnswer(allow_null=True)
    error = ShownObjectError(allow_null=True)
    request = serializers.JSONField(required=False)


@extend_schema_serializer(component_name="BatchError")
class ShownError(serializers.Serializer[BatchError]):
    """A problem of the input, or the failure of an object in one of its rounds."""

    code = serializers.CharField()
    message = serializers.CharField()
    param = serializers.CharField()
    line = serializers.IntegerField(allow_null=True, help_text="Null if the error is about the whole input or batch.")
    round = serializers.IntegerField(allow_null=True, help_text="Null if the error is about the input.")
    kind = serializers.CharField()
    source = serializers.CharField(help_text="Who has to act on the error.")  # type: ignore[assignment]  # a field has one, too
    http_status = serializers.IntegerField(allow_null=True)
    fingerprint = serializers.CharField(
        help_text="Errors that differ only in ids, numbers and quoted text have the same fingerprint."
    )
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="ErrorGroup")
class ShownErrorGroup(serializers.Serializer[Any]):
    """Errors with the same fingerprint. List their objects with `/objects?error=FINGERPRINT`."""

    fingerprint = serializers.CharField()
    count = serializers.IntegerField()
    code = serializers.CharField()
    sample = serializers.CharField(help_text="One of the messages.")
    kind = serializers.CharField(source="kind.value", allow_null=True)
    http_status = serializers.IntegerField(allow_null=True)
    first_line = serializers.IntegerField()
    last_line = serializers.IntegerField()
    hint = serializers.CharField(help_text="Whether trying again can help.")


@extend_schema_serializer(component_name="Event")
class ShownEvent(serializers.Serializer[Event]):
    """An entry of a batch's timeline. `from_status` is empty for the creation. It equals `to_status` if the status stayed."""

    from_status = serializers.CharField()
    to_status = serializers.ChoiceField(choices=BatchStatus.choices)
    version = serializers.IntegerField()
    actor = serializers.CharField()
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]  # a field has one, too
    note = serializers.CharField()
    created_at = serializers.DateTimeField()


def result_object(result: ObjectResult, *, line: int) -> dict[str, Any]:
    """The fields of a ShownResult. `line` is the line by which the client knows the object."""
    return {
        "line": line,
        "custom_id": result.custom_id,
        "status": result.status,
        "response": result.response,
        "error": result.error,
    }
