"""Examples of what is sent, for the document and its page."""

from drf_spectacular.utils import OpenApiExample

CHAT = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "One word for: not many."}]}

CREATE = [
    OpenApiExample(
        "Over an uploaded file",
        value={
            "input_file_id": "file-019bd3a0f1e97d0c8b52a6e4731c9d08",
            "endpoint": "/v1/chat/completions",
            "completion_window": "6h",
            "metadata": {"team": "search"},
            "remark": "Judge the top ten",
        },
        request_only=True,
    ),
    OpenApiExample(
        "With its requests",
        value={
            "endpoint": "/v1/chat/completions",
            "requests": [{"custom_id": "few", "body": CHAT}],
            "provider": "simulator",
        },
        request_only=True,
    ),
    OpenApiExample(
        "As a dry run",
        value={"endpoint": "/v1/chat/completions", "requests": [{"custom_id": "few", "body": CHAT}], "dry_run": True},
        request_only=True,
    ),
]
