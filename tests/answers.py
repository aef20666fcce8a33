"""What the local upstream received, and what it answers: whole, cut off, late or not at all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in. `number` counts from 1; `repeat` counts requests with this path and body, this one included."""

    number: int
    repeat: int
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)  # names in lower case
    body: bytes
    at: float  # time.monotonic()

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def idempotency_key(self) -> str:
        return self.headers.get("idempotency-key", "")


class Cut(Enum):
    """Where an answer breaks off, with its connection."""

    NOWHERE = "nowhere"
    BEFORE = "before the first byte"
    IN_BODY = "after half of the body"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do with a request. `raw` replaces the whole answer, head and all; `delay` None means never to answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float | None = 0.0
    cut: Cut = Cut.NOWHERE
    chunked: bool = False  # send without a Content-Length
    raw: bytes | None = None
    hold_open: bool = False  # after `raw`, say no more and keep the connection
    shaped: bool = False  # the body is made from the request: a success in OpenAI's shape


Behaviour = Callable[[Request], Answer]


def succeed(body: bytes | None = None, *, delay: float = 0.0, chunked: bool = False, **headers: str) -> Answer:
    """A success: this body, else one in the shape of the endpoint that echoes the request's last words."""
    return Answer(body=body or b"", headers=_named(headers), delay=delay, chunked=chunked, shaped=body is None)


def refuse(
    status: int,
    *,
    message: str = "refused by the test",
    code: str | None = None,
    param: str | None = None,
    retry_after: float | str | None = None,
    delay: float = 0.0,
) -> Answer:
    """A failure with an error body in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Answer(status, msgspec.json.encode({"error": error}), headers, delay)


def say(body: bytes, *, status: int = 200, chunked: bool = False, **headers: str) -> Answer:
    """This body with this status, whatever it is: garbage, HTML, a huge text."""
    return Answer(status, body, _named(headers), chunked=chunked)


def redirect(target: str, *, status: int = 307) -> Answer:
    return Answer(status, headers={"Location": target})


def drop() -> Answer:
    """Close the connection instead of answering."""
    return Answer(cut=Cut.BEFORE)


def break_off(*, chunked: bool = False) -> Answer:
    """Close the connection in the middle of a success."""
    return Answer(cut=Cut.IN_BODY, chunked=chunked, shaped=True)


def babble(raw: bytes = b"this is not HTTP\r\n\r\n") -> Answer:
    """Send these bytes and close."""
    return Answer(raw=raw)


def stay_silent() -> Answer:
    """Keep the connection open and never answer."""
    return Answer(delay=None)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    """`x_request_id="req_1"` as a header."""
    return {name.replace("_", "-"): value for name, value in headers.items()}
