"""Periods: the spans of time that people ask for by a word, in the time zone of the reader. Pure functions."""

import re
from datetime import datetime, timedelta

from django.core.validators import RegexValidator
from django.utils import timezone

LENGTH = re.compile(r"([1-9]\d{0,3})([mhdw])", re.ASCII)  # 90m, 24h, 7d, 2w
TODAY, LAST_NIGHT = "today", "last_night"
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
NIGHT_BEGINS, NIGHT_ENDS = 18, 8  # the hours between which nobody watches what runs

require_period = RegexValidator(
    rf"\A(?:{LENGTH.pattern}|{TODAY}|{LAST_NIGHT})\Z", "It is not a period such as 90m, 24h, 7d or 2w, nor today or last_night."
)

Span = tuple[datetime | None, datetime | None]  # from its beginning, to before its end; None is no bound


def span_of(period: str, *, now: datetime) -> Span:
    """The span of a period: a length before now, `today`, or `last_night`."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == TODAY:
        return midnight, None
    if period == LAST_NIGHT:
        return (midnight - timedelta(days=1)).replace(hour=NIGHT_BEGINS), midnight.replace(hour=NIGHT_ENDS)
    match = LENGTH.fullmatch(period)
    assert match is not None
    try:
        return now - timedelta(**{UNITS[match[2]]: int(match[1])}), None
    except OverflowError:
        return None, None  # the beginning is before the first possible time
