"""Answers for Anthropic's clients: `type` names the kind of object, times are RFC 3339 in UTC, empty fields are null."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from rest_framework import serializers

from batches.dialects.anthropic.errors import envelope, error_type
from batches.dialects.shared.reading import archived_at
from batches.http.rendering import Constant, PrefixedId, encode, raw
from batches.models import Batch, load_counts
from batches.rules.identifiers import render
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.policy.catalogue import OfferedModel
from batches.services.results.object_result import ObjectResult

PREFIX = "msgbatch_"
CHUNK = 64 * 1024

# The contract has three words for eight statuses. Clients see from the counts how a batch ended.
PROCESSING_STATUS = {
    BatchStatus.VALIDATING: "in_progress",
    BatchStatus.IN_PROGRESS: "in_progress",
    BatchStatus.FINALIZING: "in_progress",
    BatchStatus.CANCELLING: "canceling",
    BatchStatus.COMPLETED: "ended",
    BatchStatus.FAILED: "ended",
    BatchStatus.EXPIRED: "ended",
    BatchStatus.CANCELLED: "ended",
}
RESULT_TYPES = {
    ObjectStatus.SUCCEEDED: "succeeded",
    ObjectStatus.FAILED: "errored",
    ObjectStatus.CANCELLED: "canceled",
    ObjectStatus.EXPIRED: "expired",
}


class Moment(serializers.Field[Any, Any, Any, Any]):
    """A time as `2026-11-21T08:00:00.000000Z`."""

    def __init__(self, *, source: str | None = None) -> None:
        super().__init__(read_only=True, source=source)

    def to_representation(self, value: datetime) -> str:
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


class MessageBatch(serializers.Serializer[Batch]):
    """A batch. `context` has `url`, the address of the list of batches as the client uses it, and `now`."""

    id = PrefixedId(PREFIX)
    type = Constant("message_batch")
    processing_status = serializers.SerializerMethodField()
    request_counts = serializers.SerializerMethodField()
    created_at = Moment()
    expires_at = Moment()
    ended_at = Moment()
    cancel_initiated_at = Moment(source="cancelling_at")

    def to_representation(self, batch: Batch) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(batch)
        archived = archived_at(batch, now=self.context["now"])
        return shown | {
            "archived_at": Moment().to_representation(archived) if archived else None,
            "results_url": f"{self.context['url']}/{shown['id']}/results" if batch.is_terminal and not archived else None,
        }

    def get_processing_status(self, batch: Batch) -> str:
        return PROCESSING_STATUS[BatchStatus(batch.status)]

    def get_request_counts(self, batch: Batch) -> dict[str, int]:
        """The counts. The contract counts every request as processing until the batch has ended."""
        counts = batch.counts
        done = batch.is_terminal
        return {
            "processing": 0 if done else batch.announced or counts.total,
            "succeeded": counts.succeeded if done else 0,
            "errored": counts.failed if done else 0,
            "canceled": counts.cancelled if done else 0,
            "expired": counts.expired if done else 0,
        }


def message_batches(batches: Sequence[Batch], *, url: str, now: datetime) -> list[dict[str, Any]]:
    """The documents for batches. The number of queries does not grow with the number of batches."""
    load_counts(batches)
    serializer = MessageBatch(context={"url": url, "now": now})
    return [serializer.to_representation(batch) for batch in batches]


def model_info(model: OfferedModel) -> dict[str, Any]:
    """The document for a model. `owned_by` is not in the contract: it names the provider of the model."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": Moment().to_representation(model.provider.created_at),
        "lifecycle": "active",
        "owned_by": model.provider.name,
    }


def listed(items: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """The document for a page of a list."""
    return {
        "data": items,
        "has_more": has_more,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
    }


def deleted(batch: Batch) -> dict[str, Any]:
    """The document for a deleted batch."""
    return {"id": render(PREFIX, batch.id), "type": "message_batch_deleted"}


def result_lines(results: Iterable[ObjectResult]) -> Iterator[bytes]:
    """Results as JSON lines, in pieces of about 64 KB. The decoder of Anthropic's SDK takes no blank line, and no CRLF."""
    held: list[bytes] = []
    size = 0
    for result in results:
        line = encode({"custom_id": result.custom_id, "result": _outcome(result)}) + b"\n"
        held.append(line)
        size += len(line)
        if size >= CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _outcome(result: ObjectResult) -> dict[str, Any]:
    kind = RESULT_TYPES[ObjectStatus(result.status)]
    if kind == "succeeded":
        return {"type": kind, "message": raw(result.document)}
    if kind == "errored":
        return {"type": kind, "error": _error(result)}
    return {"type": kind}


class _Reason(msgspec.Struct):
    type: str
    message: str


class _Error(msgspec.Struct):
    """An error document of an upstream that already has the contract's shape."""

    type: Literal["error"]
    error: _Reason
    request_id: str | None = None


_decode_error = msgspec.json.Decoder(_Error).decode


def _error(result: ObjectResult) -> object:
    """The error of a failed object: the upstream's document if it has the contract's shape, else one made from the failure."""
    if result.body:
        try:
            _decode_error(result.body)
        except msgspec.DecodeError:
            pass
        else:
            return raw(result.body)
    if result.is_invalid:
        kind = "invalid_request_error"
    elif result.http_status is not None:
        kind = error_type(result.http_status)
    else:
        kind = "timeout_error" if result.error_code == "timeout" else "api_error"
    return envelope(kind, result.error_message, request_id=result.request_id or None)
