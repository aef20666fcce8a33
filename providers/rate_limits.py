"""Rate limits as upstreams tell them: how long until a limit that is used up is filled again. Pure rules."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Of each limit: what is left of it, and when it is filled again.
_TOLD = (
    *((f"x-ratelimit-remaining-{limit}", f"x-ratelimit-reset-{limit}") for limit in ("requests", "tokens")),
    *(
        (f"anthropic-ratelimit-{limit}-remaining", f"anthropic-ratelimit-{limit}-reset")
        for limit in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
)
# An upstream that tells of any limit tells one of these: most tell none, and are not looked at further.
_FIRST = (
    *("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"),
    *("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-input-tokens-remaining"),
)
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_EPOCH = 1e9  # a number above this is no duration but a time, in seconds since 1970
LONGEST = 86_400.0  # no limit is taken to last longer, whatever a header says


def exhausted_for(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """How many seconds until every limit of which nothing is left is filled again; None when none is, or no header says."""
    for name in _FIRST:
        if name in headers:
            return _longest(headers, now or datetime.now(UTC))
    return None


def _longest(headers: Mapping[str, str], now: datetime) -> float | None:
    used_up = (headers.get(reset, "") for remaining, reset in _TOLD if headers.get(remaining, "").strip() == "0")
    return max((wait for raw in used_up if (wait := seconds_until(raw.strip(), now=now)) is not None), default=None)


def seconds_until(raw: str, *, now: datetime) -> float | None:
    """How far off a reset is: `1s`, `6m0s`, `120ms`, a number of seconds, or a time. None when it is none of these."""
    if (found := _DURATION.fullmatch(raw)) and raw:
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
        return min(3600 * hours + 60 * minutes + seconds + milliseconds / 1000, LONGEST)
    try:
        number = float(raw)
    except ValueError:
        return _until_time(raw, now)
    wait = number - now.timestamp() if number > _EPOCH else number
    return min(max(wait, 0.0), LONGEST) if math.isfinite(wait) else None


def _until_time(raw: str, now: datetime) -> float | None:
    try:
        reset = datetime.fromisoformat(raw)
    except ValueError:
        return None
    reset = reset if reset.tzinfo else reset.replace(tzinfo=UTC)
    return min(max((reset - now).total_seconds(), 0.0), LONGEST)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """How many seconds the upstream asks to wait: `retry-after-ms`, else `Retry-After` in seconds or as a date."""
    if (wait := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, wait / 1000)
    raw = headers.get("Retry-After")
    if raw is None:
        return None
    if (wait := _number(raw)) is not None:
        return max(0.0, wait)
    try:
        date = parsedate_to_datetime(raw)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def _number(raw: str | None) -> float | None:
    try:
        number = float(raw or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
