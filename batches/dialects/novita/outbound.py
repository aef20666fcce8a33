"""Answers for Novita's clients: OpenAI's objects with statuses in capitals, times as text, counts twice, errors as text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from django.conf import settings
from rest_framework import serializers
from rest_framework.fields import ReadOnlyField

from batches.dialects.shared.files import ShownFile
from batches.dialects.shared.reading import completed_and_failed, shown_with_reasons, skipping
from batches.http.rendering import Constant, PrefixedId
from batches.models import Batch, File, Purpose
from batches.rules import identifiers
from batches.rules.lines.jsonl import read_lines
from batches.rules.states import BatchStatus
from batches.services.storage.ranges import reading

STATUSES = {
    BatchStatus.VALIDATING: "VALIDATING",
    BatchStatus.IN_PROGRESS: "PROGRESS",
    BatchStatus.FINALIZING: "PROGRESS",  # only the time `finalizing_at` tells it apart
    BatchStatus.CANCELLING: "CANCELLING",
    BatchStatus.COMPLETED: "COMPLETED",
    BatchStatus.FAILED: "FAILED",
    BatchStatus.EXPIRED: "EXPIRED",
    BatchStatus.CANCELLED: "CANCELLED",
}


class Moment(serializers.Field[Any, Any, Any, Any]):
    """A moment as `2026-11-21T16:05:00.120000000+00:00`."""

    def __init__(self) -> None:
        super().__init__(read_only=True)

    def to_representation(self, value: datetime) -> str:
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000+00:00"


class FileId(serializers.Field[Any, Any, Any, Any]):
    """A file's id; empty text for none."""

    def __init__(self) -> None:
        super().__init__(read_only=True)

    def get_attribute(self, batch: Batch) -> Any:
        return super().get_attribute(batch) or ""

    def to_representation(self, value: Any) -> str:
        return identifiers.render("file-", value) if value else ""


class ShownBatch(serializers.Serializer[Batch]):
    """A batch. `context["reasons"]` holds the errors of each failed batch."""

    id = PrefixedId("batch_")
    object = Constant("batch")
    endpoint = ReadOnlyField()
    input_file_id = FileId()
    output_file_id = FileId()
    error_file_id = FileId()
    completion_window = ReadOnlyField()
    in_progress_at = Moment()
    expires_at = Moment()
    finalizing_at = Moment()
    completed_at = Moment()
    failed_at = Moment()
    expired_at = Moment()
    cancelling_at = Moment()
    cancelled_at = Moment()
    status = serializers.SerializerMethodField()
    version = ReadOnlyField()
    created_at = Moment()
    updated_at = Moment()
    created_by = ReadOnlyField()
    remark = ReadOnlyField()
    metadata = ReadOnlyField()

    def to_representation(self, batch: Batch) -> dict[str, Any]:
        counts = completed_and_failed(batch)
        shown: dict[str, Any] = super().to_representation(batch)
        if batch.version == 1:
            shown["updated_at"] = None
        return (
            shown
            | skipping(batch)
            | counts
            | {
                "created_by_key_id": batch.created_by_key_id.hex if batch.created_by_key_id else "",
                "errors": _as_text(self.context["reasons"].get(batch.pk, [])),
                "request_counts": counts,
            }
        )

    def get_status(self, batch: Batch) -> str:
        return STATUSES[BatchStatus(batch.status)]


def batch_objects(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """The documents for batches. The number of queries does not grow with the number of batches."""
    return shown_with_reasons(batches, ShownBatch)


def file_object(file: File) -> dict[str, Any]:
    """The document for a file: OpenAI's, without the status."""
    shown = dict(ShownFile(file).data)
    del shown["status"]
    return shown


def uploaded(file: File) -> dict[str, Any]:
    """The document for a file that was just stored, with the number of its requests."""
    return file_object(file) | {"metadata": {"total_requests": _requests(file)}}


def enveloped(data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The document for a list of files. It does not tell whether more files follow: a client asks until it gets none."""
    return {"code": "", "message": "", "data": data}


def _requests(file: File) -> int:
    if file.purpose != Purpose.BATCH:
        return 0
    with reading(file, name="input") as content:
        return sum(1 for _ in read_lines(cast(BinaryIO, content), max_line_bytes=settings.MAX_LINE_BYTES))


def _as_text(reasons: Sequence[Mapping[str, Any]]) -> str:
    """`line 3: custom_id is empty.`, one reason a line."""
    return "\n".join(
        f"line {reason['line']}: {reason['message']}" if reason["line"] else str(reason["message"]) for reason in reasons
    )
