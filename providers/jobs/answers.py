"""Reading the values of a job's answer, whatever a provider puts there, and what a failed create call means."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.base import Failure
from providers.failures import Kind

_MAX_COUNT = 10**9
_UNDECIDED = frozenset({408, 409})


def text(found: Any, name: str) -> str:
    """A text value; empty if there is none."""
    value = found.get(name) if isinstance(found, Mapping) else None
    return value if isinstance(value, str) else ""


def count(found: Any, name: str) -> int | None:
    """A number of rows, also if it is given as text. None if it is absent or cannot be a number of rows."""
    value = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(value, str) and value.isdecimal():
        value = int(value[:12])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        return None
    return value


def timestamp(found: Any, name: str) -> datetime | None:
    """A time, given as seconds since 1970 or as text of ISO 8601. None if it is neither."""
    value = found.get(name) if isinstance(found, Mapping) else None
    try:
        if isinstance(value, str) and value:
            at = datetime.fromisoformat(_microseconds(value))
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _microseconds(value: str) -> str:
    """A time of ISO 8601 without digits behind its microseconds, which Python does not read."""
    head, point, rest = value.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}.{rest[: min(digits, 6)].ljust(6, '0')}{rest[digits:]}" if point and digits else value


def is_settled(failure: Failure) -> bool:
    """Whether a failed create call certainly created nothing: it was refused, or never left.

    A 5xx, a timeout, a lost connection, and an answer that cannot be read may all hide a job that exists and is paid for.
    """
    if failure.kind is Kind.CONNECT:
        return True
    status = failure.http_status
    return status is not None and 300 <= status < 500 and status not in _UNDECIDED and not failure.in_success


def unreadable(message: str) -> Failure:
    """An answer that a driver cannot read, with a sentence that says why."""
    return Failure(Kind.INVALID_RESPONSE, message, code=Kind.INVALID_RESPONSE.value)
