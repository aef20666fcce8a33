"""The simulator's answers and errors on `/v1/messages`, in Anthropic's shapes."""

from typing import Any

import msgspec

from providers.transport import Reply

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def message(
    request: dict[str, Any], *, identifier: str, content: list[dict[str, Any]], reason: str, spent: int, made: int
) -> dict[str, Any]:
    """A message as Anthropic answers it. The simulator has no cache, so no tokens are cached."""
    usage = {"input_tokens": spent, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": made}
    return {
        "id": identifier,
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage | {"service_tier": "batch"},
    }


def in_anthropics_words(reply: Reply) -> Reply:
    """A reply with an error in OpenAI's shape, turned into Anthropic's shape. A success stays as it is."""
    if reply.status < 400:
        return reply
    said = msgspec.json.decode(reply.body)["error"]["message"]
    kind = _TYPES.get(reply.status) or ("invalid_request_error" if reply.status < 500 else "api_error")
    document = {"type": "error", "error": {"type": kind, "message": said}, "request_id": reply.headers["x-request-id"]}
    return Reply(reply.status, reply.headers, msgspec.json.encode(document))
