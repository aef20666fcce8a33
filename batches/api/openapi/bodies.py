"""Examples for the document and its page: bodies of requests."""

from drf_spectacular.utils import OpenApiExample

from batches.api.openapi.examples import CHAT, FILE_ID, GROUP, RECEIVER
from batches.api.openapi.kept_examples import BATCH_ID

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

RETRY = [
    OpenApiExample("Everything that failed", value={"reason": "The upstream is back."}, request_only=True),
    OpenApiExample("One error group", value={"error_group": GROUP}, request_only=True),
    OpenApiExample(
        "Single objects, as a child batch elsewhere", value={"lines": [7, 961], "provider": "gateway"}, request_only=True
    ),
]

ENDPOINT = [
    OpenApiExample("The ends of batches", value={"url": RECEIVER}, request_only=True),
    OpenApiExample(
        "Some events",
        value={"name": "On call", "url": RECEIVER, "event_types": ["batch.failed", "batch.needs_attention"]},
        request_only=True,
    ),
]

RETENTION = [
    OpenApiExample(
        "Requests and answers for a month, deliveries as the portal", value={"bodies": 30, "deliveries": None}, request_only=True
    ),
]

HOLD = [
    OpenApiExample("One batch", value={"batch_id": BATCH_ID, "reason": "Case 12 C 34/26."}, request_only=True),
    OpenApiExample("The whole project", value={"reason": "Case 12 C 34/26."}, request_only=True),
]

ERASURE = [
    OpenApiExample("Try it", value={"custom_id": "few", "dry_run": True}, request_only=True),
    OpenApiExample("A custom_id", value={"custom_id": "few", "reason": "Ticket 4711."}, request_only=True),
    OpenApiExample("A pair of metadata", value={"metadata": {"customer": "c-17"}, "reason": "Ticket 4711."}, request_only=True),
]
