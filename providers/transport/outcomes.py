"""The end of an exchange, the same for both clients: a reply with a decoded body that is not too large, or a failure."""

from providers.base import Failure
from providers.failures import Kind
from providers.transport.codings import TooLarge, Undecodable, decoded, is_gzip
from providers.transport.interface import ConnectFailed, ConnectionLost, HttpError, MaxBytes, NotHttp, Reply, is_success

ERRORS = (HttpError, OSError, TimeoutError, ValueError)


def finished(reply: Reply, *, most: MaxBytes) -> Reply | Failure:
    """The reply without its content codings.

    If a success cannot be decoded, its request was carried out and paid for, so it becomes UNCONFIRMED and is not sent
    again. Of any other answer, the part that can be decoded is enough to explain the failure.
    """
    taken = is_success(reply.status)
    if taken and not reply.whole:
        return _too_large(reply.status, most)
    codings = reply.headers.get("content-encoding", "")
    if not reply.body or not (codings or is_gzip(reply.body)):
        return reply
    try:
        reply.body = decoded(reply.body, codings, most=most.of(reply.status), cut=not taken)
    except TooLarge:
        return _too_large(reply.status, most)
    except Undecodable as error:
        if taken:
            return _failure(Kind.UNCONFIRMED, str(error), status=reply.status)
        reply.body = b""
    return reply


def failed(error: Exception) -> Failure:
    """The failure for an exception. Only the text of ConnectFailed is used, since the text of others may quote headers."""
    match error:
        case ConnectFailed():
            return _failure(Kind.CONNECT, str(error))
        case TimeoutError():
            return _failure(Kind.TIMEOUT)
        case NotHttp() if error.said is None or is_success(error.said):  # it may have been paid for
            return _failure(Kind.UNCONFIRMED, "It is not HTTP", status=error.said)
        case NotHttp():
            return _failure(Kind.INVALID_RESPONSE, "It is not HTTP")
        case ConnectionLost() | OSError():
            return _failure(Kind.CONNECTION_LOST)
        case _:
            return _failure(Kind.PORTAL, type(error).__name__)


def _too_large(status: int, most: MaxBytes) -> Failure:
    message = f"The upstream's answer is larger than {most.success} bytes."
    return Failure(Kind.RESPONSE_TOO_LARGE, message, code=Kind.RESPONSE_TOO_LARGE.value, http_status=status)


def _failure(kind: Kind, detail: str = "", *, status: int | None = None) -> Failure:
    message = f"{kind.sentence} ({detail}.)" if detail else kind.sentence
    return Failure(kind, message, code=kind.value, http_status=status)
