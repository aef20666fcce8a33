"""Answers for OpenAI's clients: `object` names the kind, times are whole seconds, empty fields are null."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.fields import ReadOnlyField

from batches.dialects.shared.files import ShownFile
from batches.dialects.shared.reading import completed_and_failed, shown_with_reasons, skipping
from batches.http.rendering import Constant, PrefixedId, UnixTime
from batches.models import Batch, Upload, UploadPart, WebhookEndpoint
from batches.services.webhooks.signing import PREFIX as SECRET_PREFIX


class ShownUpload(serializers.Serializer[Upload]):
    """An upload in parts. `file` is null until the upload is completed."""

    id = PrefixedId("upload_")
    object = Constant("upload")
    bytes = ReadOnlyField()
    created_at = UnixTime()
    expires_at = UnixTime()
    filename = ReadOnlyField()
    purpose = ReadOnlyField()
    status = ReadOnlyField()
    file = ShownFile()


class ShownPart(serializers.Serializer[UploadPart]):
    """One part of an upload."""

    id = PrefixedId("part_")
    object = Constant("upload.part")
    created_at = UnixTime()
    upload_id = PrefixedId("upload_")


class ShownWebhookEndpoint(serializers.Serializer[WebhookEndpoint]):
    """A webhook endpoint. `enabled` is not in the contract. The URL of the endpoint for callback URLs is empty."""

    id = PrefixedId("we_")
    object = Constant("webhook_endpoint")
    created_at = UnixTime()
    updated_at = UnixTime()
    name = ReadOnlyField()
    url = ReadOnlyField()
    event_types = ReadOnlyField()
    enabled = ReadOnlyField()
    signing_secret_hint = serializers.SerializerMethodField()

    def get_signing_secret_hint(self, endpoint: WebhookEndpoint) -> str:
        return f"{SECRET_PREFIX}...{endpoint.secret_hint}"


class ShownBatch(serializers.Serializer[Batch]):
    """A batch. `context["reasons"]` holds the errors of each failed batch."""

    id = PrefixedId("batch_")
    object = Constant("batch")
    endpoint = ReadOnlyField()
    model = serializers.SerializerMethodField()
    input_file_id = PrefixedId("file-")
    completion_window = ReadOnlyField()
    status = ReadOnlyField()
    output_file_id = PrefixedId("file-")
    error_file_id = PrefixedId("file-")
    created_at = UnixTime()
    in_progress_at = UnixTime()
    expires_at = UnixTime()
    finalizing_at = UnixTime()
    completed_at = UnixTime()
    failed_at = UnixTime()
    expired_at = UnixTime()
    cancelling_at = UnixTime()
    cancelled_at = UnixTime()
    request_counts = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    metadata = ReadOnlyField()

    def to_representation(self, batch: Batch) -> dict[str, Any]:
        reasons = self.context["reasons"].get(batch.pk)
        shown: dict[str, Any] = super().to_representation(batch)
        return shown | skipping(batch) | {"errors": {"object": "list", "data": reasons} if reasons else None}

    def get_model(self, batch: Batch) -> str | None:
        return batch.model or None

    def get_request_counts(self, batch: Batch) -> dict[str, int]:
        return completed_and_failed(batch)

    def get_usage(self, batch: Batch) -> dict[str, Any]:
        counts = batch.counts
        return {
            "input_tokens": counts.input_tokens,
            "input_tokens_details": {"cached_tokens": counts.cached_tokens},
            "output_tokens": counts.output_tokens,
            "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
            "total_tokens": counts.tokens,
        }


def batch_objects(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """The documents for batches. The number of queries does not grow with the number of batches."""
    return shown_with_reasons(batches, ShownBatch)
