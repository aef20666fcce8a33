"""The result of one object as clients see it, and its line in a result file."""

import uuid
from typing import Any

import msgspec

from batches.models import INVALID_LINE
from batches.rules.lines import jsonl
from batches.rules.states import ObjectStatus

FAILED_STATUS = 400  # HTTP statuses from this one on mean a failure
BAD_GATEWAY = 502  # the status for clients of a failed object whose answer had a status of success


class ObjectResult(msgspec.Struct, frozen=True):
    """One object with the outcome of its latest round.

    `body` is the answer as one line of JSON. It is empty for an object without an answer: pending, cancelled, expired, or
    failed without one. Then `error_code` and `error_message` give the reason, unless the object is pending.
    """

    id: uuid.UUID
    line: int
    custom_id: str
    status: str
    round: int
    attempts: int
    http_status: int | None
    latency_ms: int | None
    request_id: str
    error_code: str
    error_message: str
    body: str
    kind: str = ""

    @property
    def is_settled(self) -> bool:
        return self.status != ObjectStatus.PENDING

    @property
    def is_invalid(self) -> bool:
        """Whether its line of the input was skipped as invalid."""
        return self.kind == INVALID_LINE

    @property
    def status_code(self) -> int | None:
        """The HTTP status as clients see it. For a failed request it is never a status of success."""
        failed = self.status == ObjectStatus.FAILED and self.http_status is not None and self.http_status < FAILED_STATUS
        return BAD_GATEWAY if failed else self.http_status

    @property
    def document(self) -> str:
        """The answer as clients see it: a JSON object. For a failed request it always has the reason."""
        if not self.body or self.body.startswith("{"):
            return self.body
        if self.status == ObjectStatus.SUCCEEDED:
            return "{}" if self.body == "null" else f'{{"data":{self.body}}}'
        error = {"message": self.error_message, "type": "upstream_error", "param": None, "code": self.error_code or None}
        return f'{{"error":{jsonl.dump(error)[:-1]},"body":{self.body}}}}}'

    @property
    def response(self) -> dict[str, Any] | None:
        """The answer with its status and the id of the request; None if there was no answer."""
        if not self.body:
            return None
        body = msgspec.Raw(self.document.encode())
        return {"status_code": self.status_code, "request_id": self.request_id, "body": body}

    @property
    def why(self) -> tuple[str, str] | None:
        """Code and message of a failure whose answer had an HTTP status of success."""
        is_told = self.status == ObjectStatus.SUCCEEDED or self.http_status is None or self.http_status >= FAILED_STATUS
        return None if is_told else (self.error_code, self.error_message)

    @property
    def error(self) -> dict[str, Any] | None:
        """Code and message of a result without an answer, or of a failure with a status of success; None for any other."""
        return None if self.body and not self.why else {"code": self.error_code, "message": self.error_message}


def result_line(result: ObjectResult) -> bytes:
    """A settled object's line in the output or error file (contract: the OpenAI batch API), with its line end."""
    if result.body:
        assert result.status_code is not None
        return jsonl.response_line(
            result.id,
            custom_id=result.custom_id,
            http_status=result.status_code,
            request_id=result.request_id,
            body=result.document,
            why=result.why,
        )
    return jsonl.error_line(
        result.id,
        custom_id=result.custom_id,
        code=result.error_code,
        message=result.error_message,
        line=result.line if result.is_invalid else None,
    )
