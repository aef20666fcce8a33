"""Waits that an upstream asks for in its headers: `Retry-After`, and the state of its rate limits. Pure rules.

One answer may have both. `Retry-After` says when the next call may go, and decides. A reset header says when the bucket of a
limit is full again. It counts only if there is no `Retry-After`, and as the time in which the whole bucket refills: one more
call needs only a fraction of this time.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# The headers of each limit: its size, its remaining part, and the time when it is full again.
_TOLD = (
    *(
        (f"x-ratelimit-limit{which}", f"x-ratelimit-remaining{which}", f"x-ratelimit-reset{which}")
        for which in ("-requests", "-tokens", "-requests-day", "-tokens-minute", "")
    ),
    *(
        (f"anthropic-ratelimit-{which}-limit", f"anthropic-ratelimit-{which}-remaining", f"anthropic-ratelimit-{which}-reset")
        for which in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
    ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_LEADING_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_EPOCH = 1e9  # a number above this is no duration, but a time in seconds since 1970
_EPOCH_IN_MILLISECONDS = 1e11  # a number above this is a time in milliseconds, or in a smaller unit
LONGEST = 86_400.0  # a longer wait in a header counts as this


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """The number of seconds that the upstream asks to wait; None if it does not ask.

    `retry-after-ms` comes before `Retry-After`, which may be a number of seconds, a duration such as `1m30s`, a date, or
    a time since 1970 in seconds or milliseconds.
    """
    now = now or datetime.now(UTC)
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return _wait(milliseconds / 1000, now)
    raw = (headers.get("Retry-After") or "").strip()
    if not raw:
        return None
    wait = seconds_until(raw, now=now)
    return _until_http_date(raw, now) if wait is None else wait


def exhausted_for(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """The seconds until every exhausted limit allows a call; None if no limit is exhausted, or no header tells the time."""
    if "ratelimit" not in " ".join(headers).lower():  # quick: most upstreams send no such header
        return None
    now = now or datetime.now(UTC)
    used_up = [names for names in _TOLD if (left := _number(headers.get(names[1]))) is not None and left <= 0]
    if not used_up:
        return None
    asked = retry_after(headers, now=now)
    if asked is not None:
        return asked
    waits = (_refilled_in(headers, *names, now=now) for names in used_up)
    return max((wait for wait in waits if wait is not None), default=None)


def _refilled_in(headers: Mapping[str, str], limit: str, remaining: str, reset: str, *, now: datetime) -> float | None:
    """The seconds until an empty bucket holds one unit. If the bucket's size is unknown: the seconds until it is full."""
    whole = seconds_until((headers.get(reset) or "").strip(), now=now)
    size = _LEADING_NUMBER.match((headers.get(limit) or "").strip())
    if whole is None or size is None or float(size[0]) < 1:
        return whole
    left = _number(headers.get(remaining)) or 0.0
    return whole * min((1 - left) / (float(size[0]) - left), 1.0)


def seconds_until(raw: str, *, now: datetime) -> float | None:
    """The seconds until a moment, given as `1s`, `6m0s`, `120ms`, a number of seconds, or a time. None for other texts."""
    if (found := _DURATION.fullmatch(raw)) and raw:
        days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
        return min(86_400 * days + 3600 * hours + 60 * minutes + seconds + milliseconds / 1000, LONGEST)
    if (number := _number(raw)) is not None:
        return _wait(number, now)
    return _until_time(raw, now)


def _wait(number: float, now: datetime) -> float:
    """The wait that a number means: a number of seconds, or, if the number is very large, a time since 1970."""
    while number > _EPOCH_IN_MILLISECONDS:
        number /= 1000
    return _bounded(number - now.timestamp() if number > _EPOCH else number)


def _until_time(raw: str, now: datetime) -> float | None:
    try:
        return _bounded((_in_utc(datetime.fromisoformat(raw)) - now).total_seconds())
    except ValueError:
        return None


def _until_http_date(raw: str, now: datetime) -> float | None:
    try:
        return _bounded((_in_utc(parsedate_to_datetime(raw)) - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST)


def _number(raw: str | None) -> float | None:
    try:
        number = float(raw or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
