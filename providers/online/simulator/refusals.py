"""The simulator's refusals: requests that no upstream would carry out, and failures in the words of an upstream."""

from typing import Any

import msgspec

from providers.base import ACCOUNTING_ENDPOINTS
from providers.transport import Reply

# The field with the input or prompt, by endpoint.
_REQUIRED = {
    "/v1/responses": "input",
    "/v1/chat/completions": "messages",
    "/v1/embeddings": "input",
    "/v1/completions": "prompt",
    "/v1/moderations": "input",
    "/v1/images/generations": "prompt",
    "/v1/images/edits": "prompt",
    "/v1/videos": "prompt",
    "/v1/messages": "messages",
}
# The code and the message that real upstreams give with a status.
_WORDS = {
    400: ("invalid_request_error", "The request is not valid."),
    401: ("invalid_api_key", "The API key is not valid."),
    402: ("insufficient_quota", "The account is out of credit."),
    403: ("permission_denied", "The key may not use this model."),
    404: ("model_not_found", "The model does not exist."),
    429: ("rate_limit_exceeded", "Too many requests: slow down."),
    500: ("server_error", "The server failed while it handled the request."),
    503: ("overloaded", "The server is overloaded: try again later."),
}


class Refusal(Exception):
    """Any upstream would refuse the request."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    def reply(self, digest: bytes) -> Reply:
        return _error(400, message=self.message, code="invalid_request_error", param=self.param, digest=digest)


def require(endpoint: str, request: dict[str, Any]) -> None:
    """Raise Refusal if a request lacks its model or its input. A record to be written may be any object."""
    if endpoint in ACCOUNTING_ENDPOINTS:
        return
    wanted = _REQUIRED[endpoint]
    for name in ("model", wanted):
        if not request.get(name):
            raise Refusal(f"Missing required parameter: '{name}'.", param=name)
    if not isinstance(request["model"], str):
        raise Refusal("Invalid type for 'model': expected a string.", param="model")
    if wanted == "messages" and not isinstance(request["messages"], list):
        raise Refusal("Invalid type for 'messages': expected an array of objects.", param="messages")


def refusal(
    status: int, *, digest: bytes, code: str | None = None, message: str | None = None, retry_after: float | None = None
) -> Reply:
    """A failure in the words of an upstream. `code` and `message` replace the usual ones of the status."""
    usual_code, usual_message = _WORDS.get(status) or _WORDS[400 if status < 500 else 500]
    return _error(
        status, message=message or f"Simulated: {usual_message}", code=code or usual_code, retry_after=retry_after, digest=digest
    )


def _error(
    status: int, *, message: str, code: str, digest: bytes, param: str | None = None, retry_after: float | None = None
) -> Reply:
    kind = "invalid_request_error" if status < 500 else "server_error"
    document = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    headers = {"x-request-id": made_up_id("req_sim_", digest)}
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}"
    return Reply(status, headers, msgspec.json.encode(document))


def made_up_id(prefix: str, digest: bytes) -> str:
    """An id with this prefix. The same request always gets the same id."""
    return prefix + digest.hex()
