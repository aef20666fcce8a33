"""What clients of the native API get of one batch: what the list shows, and why it is waiting."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.outbound import ShownBatch
from batches.models import Batch
from batches.services.insight.waiting import Cause, Waiting, waiting


@extend_schema_serializer(component_name="Waiting")
class ShownWaiting(serializers.Serializer[Waiting]):
    """What keeps a batch from going on at present."""

    code = serializers.ChoiceField(
        source="cause.value",
        choices=[cause.value for cause in Cause],
        help_text=" ".join(f"`{cause.value}`: {cause.sentence}" for cause in Cause),
    )
    sentence = serializers.CharField(help_text="For people.")
    until = serializers.DateTimeField(allow_null=True, help_text="When it may go on, where that is known.")
    details = serializers.DictField(help_text="What more is known of it, such as `by`, `reason`, `provider` or `ahead`.")


@extend_schema_serializer(component_name="BatchDetail")
class ShownBatchDetail(ShownBatch):
    """One batch, with what keeps it from going on."""

    waiting = serializers.SerializerMethodField(help_text="Null while it goes on, and once it has ended.")

    @extend_schema_field(ShownWaiting(allow_null=True))
    def get_waiting(self, batch: Batch) -> dict[str, Any] | None:
        found = waiting(batch, now=timezone.now())
        return None if found is None else dict(ShownWaiting(found).data)


def batch_object(batch: Batch, request: HttpRequest) -> dict[str, Any]:
    """One batch whose project, provider and key are loaded, with all that is known of it."""
    return ShownBatchDetail(context={"request": request}).to_representation(batch)
