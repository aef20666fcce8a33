"""Answers for Merge's clients: the state of a batch with all its objects, in input order, on one page."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings

from batches.models import Batch, Dialect
from batches.rules.errors import Gone
from batches.rules.lines.jsonl import read_request
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.results.object_result import ObjectResult
from batches.services.results.results import number_lines, read_input, results, results_without_answers

_BY_COUNTS = ""  # stands for a status that depends on the outcomes of the objects
STATUSES = {
    BatchStatus.VALIDATING: "ENQUEUED",
    BatchStatus.IN_PROGRESS: "IN_PROGRESS",
    BatchStatus.FINALIZING: "IN_PROGRESS",
    BatchStatus.CANCELLING: "IN_PROGRESS",
    BatchStatus.COMPLETED: _BY_COUNTS,
    BatchStatus.FAILED: "FAILED",
    BatchStatus.EXPIRED: _BY_COUNTS,
    BatchStatus.CANCELLED: _BY_COUNTS,
}
OBJECT_STATUSES = {
    ObjectStatus.PENDING: "PENDING",
    ObjectStatus.SUCCEEDED: "SUCCESS",
    ObjectStatus.FAILED: "FAILURE",
    ObjectStatus.CANCELLED: "FAILURE",
    ObjectStatus.EXPIRED: "FAILURE",
}


def accepted(batch: Batch) -> dict[str, Any]:
    """The answer to a create call."""
    return {"batch_id": str(batch.pk)}


def bulk_object(batch: Batch, *, id_path: str, now: datetime) -> dict[str, Any]:
    """The document for a batch. `id_path` is the place of a new record's id in the upstream's answers."""
    objects = [_settled_or_not(result, id_path=id_path) for result in _found(batch)] or list(_without_objects(batch))
    return {
        "batch_id": str(batch.pk),
        "status": batch_status(batch, now=now),
        "total_count": len(objects),
        "objects": objects,
    }


def _found(batch: Batch) -> list[ObjectResult]:
    """All objects at once, since records are small. If the upstream's answers are not kept any more, they are left out."""
    try:
        return list(results(batch, first_page=settings.MAX_BULK_ITEMS + 1))
    except Gone:
        return list(results_without_answers(batch))


def batch_status(batch: Batch, *, now: datetime) -> str:
    """The batch's status in Merge's words."""
    if batch.is_throttled(now=now):
        return "RATE_LIMITED"
    if word := STATUSES[BatchStatus(batch.status)]:
        return word
    if not batch.succeeded:
        return "FAILED"
    return "SUCCESS" if batch.succeeded == batch.total else "PARTIAL_SUCCESS"


def created_id(body: str, path: str) -> str | None:
    """The id at a place in a JSON document; None if there is none. `path` has keys joined by dots."""
    try:
        found: Any = json.loads(body)  # unlike msgspec, json reads half surrogate pairs, which an answer may have
    except (ValueError, RecursionError):
        return None
    for key in path.split("."):
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def _settled_or_not(result: ObjectResult, *, id_path: str) -> dict[str, Any]:
    status = ObjectStatus(result.status)
    if status == ObjectStatus.SUCCEEDED:
        return _object(result.custom_id, status, made=created_id(result.body, id_path))
    return _object(result.custom_id, status, error=result.error_message)


def _without_objects(batch: Batch) -> Iterator[dict[str, Any]]:
    """The items of a batch without objects, since it was not validated. They are read from its input."""
    if batch.dialect != Dialect.MERGE or batch.input_file is None:
        return  # the input was not checked yet
    try:
        lines = number_lines(read_input(batch, 0, batch.input_file.bytes), first_line=1)
    except Gone:
        return
    status = ObjectStatus.FAILED if batch.is_terminal else ObjectStatus.PENDING
    for line in lines.values():
        yield _object(read_request(line).custom_id, status, error=BatchStatus(batch.status).sentence)


def _object(item_id: str, status: ObjectStatus, *, made: str | None = None, error: str | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {"item_id": item_id, "status": OBJECT_STATUSES[status], "response": None}
    if status != ObjectStatus.PENDING:
        shown["response"] = {"merge_common_model_id": made, "error_message": error}
    return shown
