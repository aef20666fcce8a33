"""What OpenAI's clients get: `object` names the kind, times are whole seconds, what is not set is null."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.fields import ReadOnlyField

from batches.dialects.base.reading import failure_reasons
from batches.dialects.base.rendering import Constant, PrefixedId, UnixTime, raw
from batches.dialects.base.result_pages import ResultPage
from batches.models import Batch, File, Upload, UploadPart, load_counts
from batches.results import ObjectResult


class ShownFile(serializers.Serializer[File]):
    """A file. Everything that is stored is ready to be used, hence `processed`."""

    id = PrefixedId("file-")
    object = Constant("file")
    bytes = ReadOnlyField()
    created_at = UnixTime()
    expires_at = UnixTime()
    filename = ReadOnlyField()
    purpose = ReadOnlyField()
    status = Constant("processed")


class ShownUpload(serializers.Serializer[Upload]):
    """An upload in parts; `file` is null until it is completed."""

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


class ShownBatch(serializers.Serializer[Batch]):
    """A batch. `context["reasons"]` says why each failed one failed."""

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
        return shown | {"errors": {"object": "list", "data": reasons} if reasons else None}

    def get_model(self, batch: Batch) -> str | None:
        return batch.model or None

    def get_request_counts(self, batch: Batch) -> dict[str, int]:
        """Once the batch has ended, whatever did not succeed has failed: completed and failed make up the total."""
        counts = batch.counts
        failed = counts.unsuccessful if batch.is_terminal else counts.failed
        return {"total": counts.total, "completed": counts.succeeded, "failed": failed}

    def get_usage(self, batch: Batch) -> dict[str, Any]:
        counts = batch.counts
        return {
            "input_tokens": counts.input_tokens,
            "input_tokens_details": {"cached_tokens": counts.cached_tokens},
            "output_tokens": counts.output_tokens,
            "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
            "total_tokens": counts.input_tokens + counts.output_tokens,
        }


def file_objects(files: Iterable[File]) -> list[dict[str, Any]]:
    """Files."""
    serializer = ShownFile()
    return [serializer.to_representation(file) for file in files]


def batch_objects(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Batches, with as many queries for many as for one."""
    load_counts(batches)
    serializer = ShownBatch(context={"reasons": failure_reasons(batches)})
    return [serializer.to_representation(batch) for batch in batches]


def batch_object(batch: Batch) -> dict[str, Any]:
    """One batch."""
    return batch_objects([batch])[0]


def listed(items: Iterable[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """The list envelope."""
    data = list(items)
    ids = [item["id"] for item in data]
    return {
        "object": "list",
        "data": data,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }


def deleted(file: File) -> dict[str, Any]:
    """What is left of a deleted file."""
    return {"id": str(file), "object": "file", "deleted": True}


def results_object(batch: Batch, page: ResultPage, requests: Mapping[int, bytes] | None) -> dict[str, Any]:
    """A page of results; with `requests`, each has the input line it answers, null where that is not kept any more."""
    results = [result_item(result) for result in page.results]
    if requests is not None:
        for item, result in zip(results, page.results, strict=True):
            line = requests.get(result.line)
            item["request"] = raw(line) if line else None
    return {
        "batch_id": str(batch),
        "results": results,
        "has_more": page.has_more,
        "next_cursor": str(page.next_cursor) if page.next_cursor else None,
    }


def result_item(result: ObjectResult) -> dict[str, Any]:
    """One settled object: its response as the upstream gave it, whatever its status code, or why there is none."""
    if result.body:
        response = {"status_code": result.http_status, "request_id": result.request_id, "body": raw(result.body)}
        return {"custom_id": result.custom_id, "response": response}
    return {"custom_id": result.custom_id, "error": {"code": result.error_code, "message": result.error_message}}
