"""Examples for the document and its page: bodies of requests, and a value for every field of answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

CHAT = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "One word for: not many."}]}
BATCH_ID = "batch_019bd3a1c0de7b33a9d41f52c8e07a66"
FILE_ID = "file-019bd3a0f1e97d0c8b52a6e4731c9d08"

CREATE = [
    OpenApiExample(
        "With its requests",
        value={
            "endpoint": "/v1/chat/completions",
            "requests": [{"custom_id": "few", "body": CHAT}],
            "completion_window": "6h",
            "metadata": {"team": "search"},
            "remark": "Judge the top ten",
        },
        request_only=True,
    ),
    OpenApiExample(
        "Over an uploaded file",
        value={"endpoint": "/v1/chat/completions", "input_file_id": FILE_ID, "provider": "simulator", "priority": 10},
        request_only=True,
    ),
    OpenApiExample(
        "With one model for all, without its invalid lines",
        value={
            "endpoint": "/v1/chat/completions",
            "input_file_id": FILE_ID,
            "model": "gateway/gpt-5-mini",
            "completion_window": "7d",
            "on_invalid": "skip",
        },
        request_only=True,
    ),
    OpenApiExample(
        "As a dry run",
        value={"endpoint": "/v1/chat/completions", "requests": [{"custom_id": "few", "body": CHAT}], "dry_run": True},
        request_only=True,
    ),
]

GROUP = "v1:5f1d7a84c2e8b7c9b5a6d43f0f3f5e6a7b8c9d0e"
RETRY = [
    OpenApiExample("Everything that failed", value={"reason": "The upstream is back."}, request_only=True),
    OpenApiExample("One error group", value={"error_group": GROUP}, request_only=True),
    OpenApiExample(
        "Single objects, as a child batch elsewhere", value={"lines": [7, 961], "provider": "gateway"}, request_only=True
    ),
]

MOMENT = "2026-05-04T09:30:00.125000Z"
DEADLINE = "2026-05-04T15:30:00.125000Z"
HOST = "http://portal"  # stands for the address of the portal, which the page puts in its place
_BATCH = f"{HOST}/api/v1/batches/{BATCH_ID}"

# Values by component and field, or else by field. A field with an example of its own keeps that.
VALUES: dict[str, Any] = {
    "adapter": "openai",
    "actor": "key nightly-jobs",
    "attempts": 1,
    "bytes": 18230,
    "cached_tokens": 0,
    "cached_price": None,
    "code": "content_filter",
    "completed_at": None,
    "completion_window": "6h",
    "cost": "0.013220",
    "count": 12,
    "created_by": "key nightly-jobs",
    "currency": "USD",
    "custom_id": "few",
    "endpoint": "/v1/chat/completions",
    "endpoints": ["/v1/chat/completions", "/v1/embeddings"],
    "enabled": True,
    "error_count": 0,
    "error_sample": 100,
    "filename": "requests.jsonl",
    "fingerprint": GROUP,
    "first_line": 7,
    "from_status": "validating",
    "hint": "Retry will not help",
    "http_status": 200,
    "input_bytes": 91000,
    "input_price": "0.250000",
    "input_tokens": 31,
    "kind": "invalid_request",
    "last_line": 961,
    "latency_ms": 840,
    "line": 1,
    "limit": 50,
    "max_concurrency": 256,
    "max_cost": "12.500000",
    "max_error_rate": 0.2,
    "max_tokens": None,
    "message": "The request was refused by the content filter.",
    "metadata": {"team": "search"},
    "model": "gpt-5-mini",
    "name": "gateway",
    "next": None,
    "next_cursor": None,
    "note": "",
    "number": 1,
    "on_invalid": "fail",
    "output_price": "2.000000",
    "output_tokens": 7,
    "param": "",
    "parent_id": None,
    "paused_at": None,
    "paused_by": "",
    "paused_reason": "",
    "prefix": "by_4kT9xQ2m",
    "priority": 0,
    "project": "acme",
    "reasoning_tokens": 0,
    "other_tokens": 0,
    "remark": "Judge the top ten",
    "quotas": {
        "open_batches": {"limit": 50, "used": 7},
        "pending_objects": {"limit": None, "used": 388},
        "stored_bytes": {"limit": None, "used": 73042},
    },
    "request": {"custom_id": "few", "method": "POST", "url": "/v1/chat/completions", "body": CHAT},
    "request_id": "req_8f2c1d",
    "requests_per_minute": None,
    "reason": "Its answers cost more than they are worth.",
    "retried": 12,
    "round": 1,
    "sample": "The request was refused by the content filter.",
    "simulated": False,
    "skipped": 0,
    "source": "caller",
    "status": "in_progress",
    "succeeded": True,
    "throttled_reason": "",
    "to_status": "in_progress",
    "tokens_per_minute": 2_000_000,
    "unpriced": 0,
    "used": 7,
    "version": 2,
    "Batch.provider": {"name": "gateway", "simulated": False},
    "BatchDetail.provider": {"name": "gateway", "simulated": False},
    "Waiting.code": "queue_position",
    "Waiting.sentence": "3 batches are served before this one.",
    "Waiting.until": None,
    "Waiting.details": {"ahead": 3},
    "DryRun.provider": {"name": "gateway", "simulated": False},
    "Answer.body": {"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"message": {"content": "few"}}]},
    "Answer.status_code": 200,
    "BatchError.http_status": 400,
    "BatchLinks.anthropic": None,
    "BatchLinks.bifrost": f"{HOST}/bifrost/v1/batches/{BATCH_ID}?provider=gateway",
    "BatchLinks.console": f"{HOST}/console/batches/{BATCH_ID}/",
    "BatchLinks.error_groups": f"{_BATCH}/error-groups",
    "BatchLinks.errors": f"{_BATCH}/errors",
    "BatchLinks.events": f"{_BATCH}/events",
    "BatchLinks.lineage": f"{_BATCH}/lineage",
    "BatchLinks.merge": None,
    "BatchLinks.novita": f"{HOST}/openai/v1/batches/{BATCH_ID}",
    "BatchLinks.objects": f"{_BATCH}/objects",
    "BatchLinks.openai": f"{HOST}/v1/batches/{BATCH_ID}",
    "BatchLinks.parent": None,
    "BatchLinks.results": f"{_BATCH}/results",
    "BatchLinks.self": _BATCH,
    "BatchObject.status": "succeeded",
    "BatchObjectDetail.status": "succeeded",
    "BatchObject.error": None,
    "BatchObjectDetail.error": None,
    "Attempt.kind": None,
    "Attempt.code": "",
    "Attempt.message": "",
    "CancelBatch.note": "Started by mistake.",
    "Counts.cancelled": 0,
    "Counts.expired": 0,
    "Counts.failed": 12,
    "Counts.pending": 380,
    "Counts.succeeded": 608,
    "Counts.total": 1000,
    "ErrorGroup.http_status": 400,
    "FileLinks.content": f"{HOST}/api/v1/files/{FILE_ID}/content",
    "FileLinks.self": f"{HOST}/api/v1/files/{FILE_ID}",
    "File.purpose": "batch",
    "KeyName.name": "nightly-jobs",
    "DryRun.problem_count": 1,
    "DryRun.requests": 1000,
    "Estimate.input_tokens": 22750,
    "Estimate.output_tokens": None,
    "Estimate.cost": None,
    "DryRun.valid": False,
    "Problem.code": "duplicate_custom_id",
    "Problem.line": 12,
    "Problem.message": "custom_id 'few' was already used on line 1.",
    "Problem.param": "custom_id",
    "EmergencyStop.what": "sending",
    "EmergencyStop.provider": "gateway",
    "EmergencyStop.project": None,
    "EmergencyStop.reason": "The gateway answers with prompts of others; its operator is at work.",
    "Event.source": "engine",
    "SearchAnswer.more": [],
    "SearchAnswer.notes": [],
    "SearchHit.id": "batch_req_019bd3a1c0de7b33a9d41f52c8e07a67",
    "SearchHit.kind": "request",
    "SearchHit.match": "custom_id",
    "SearchHit.status": "succeeded",
    "SearchHit.title": "few",
    "Event.actor": "engine",
    "MergedResult.error": None,
    "MergedResult.status": "succeeded",
    "Result.error": None,
    "Result.status": "succeeded",
    "Usage.input_tokens": 18848,
    "Usage.output_tokens": 4256,
    **dict.fromkeys(
        ("finalizing_at", "cancelling_at", "failed_at", "expired_at", "cancelled_at", "ended_at", "deleted_at", "retry_at"), None
    ),
    **dict.fromkeys(("output_file_id", "error_file_id", "throttled_until"), None),
}
# Values for the answers of single operations, in place of the examples above.
NOTHING_YET = {"total": 0, "pending": 0, "succeeded": 0, "failed": 0, "cancelled": 0, "expired": 0}
ANSWERS: dict[str, dict[str, Any]] = {
    "create_batch": {
        "status": "validating",
        "dialect": "native",
        "model": "",
        "counts": NOTHING_YET,
        "net_counts": NOTHING_YET,
        "usage": {
            **dict.fromkeys(
                ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "other_tokens", "unpriced"), 0
            ),
            "cost": "0.000000",
            "currency": "USD",
        },
        "in_progress_at": None,
        "version": 1,
    },
    "cancel_batch": {"status": "cancelling", "version": 3},
    "pause_batch": {"paused_at": MOMENT, "paused_by": "key nightly-jobs", "paused_reason": "It can wait.", "version": 3},
    "prioritise_batch": {"priority": 50, "version": 3},
}


def value_of(component: str, name: str) -> Any:
    """An example for a field. Raises KeyError if there is none."""
    return VALUES[f"{component}.{name}"] if f"{component}.{name}" in VALUES else VALUES[name]
