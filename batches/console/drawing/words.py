"""Numbers, times and texts as the console writes them: `2.4 s`, `3 h ago`, `1,024`. Pure functions."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

# Invisible characters, and characters that change the direction of text. They are shown by name, so that no text can deceive.
_TREACHEROUS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff\uffa0"
    "\U000e0000-\U000e007f]"
)


def exact(value: datetime) -> str:
    """`2025-01-31 16:05:09 UTC`."""
    return f"{value:%Y-%m-%d %H:%M:%S %Z}"


def relative(distance: timedelta) -> str:
    seconds = abs(distance.total_seconds())
    if seconds < 60:
        return "in a moment" if distance > timedelta(0) else "just now"
    words = _coarse(seconds)
    return f"in {words}" if distance > timedelta(0) else f"{words} ago"


def _coarse(seconds: float) -> str:
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} days"


def took(milliseconds: int | None) -> str:
    """A duration: `340 ms`, `2.4 s`, `3 min 5 s`."""
    if milliseconds is None:
        return "—"
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(milliseconds // 1000, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def between(start: datetime | None, end: datetime | None) -> str:
    """The time from one moment to the next."""
    return "—" if start is None or end is None else took(int((end - start).total_seconds() * 1000))


def number(value: float | None) -> str:
    """A whole number with separators of thousands."""
    return "—" if value is None else f"{int(value):,}"


def amount(value: Decimal) -> str:
    """An amount of money. It gets enough digits that a small amount is never shown as 0."""
    if 0 < value < Decimal("0.0001"):
        return "<0.0001"
    return f"{value.quantize(Decimal('0.0001')) if value < 100 else value.quantize(Decimal('0.01')):,f}"


def visible(text: object) -> str:
    """A text from outside. Control characters, and characters that change its direction, are replaced by their names."""
    return _TREACHEROUS.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", str(text))
