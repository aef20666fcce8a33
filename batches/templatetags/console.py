"""How the console writes things: times, numbers, sizes, hostile text, icons."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

from django import template
from django.template import RequestContext
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.console.drawing.standing import percent
from batches.console.kit.stop_banner import access_shown, told
from batches.models import Batch, File
from batches.rules import identifiers
from batches.rules.states import ObjectStatus
from batches.services.core.access import Right

register = template.Library()

# Characters that are invisible, or that turn text around them: shown by name, so that nothing pretends to be something else.
_TREACHEROUS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff\uffa0"
    "\U000e0000-\U000e007f]"
)
NONE = SafeString('<span class="none">—</span>')
_UNITS = ("B", "KB", "MB", "GB", "TB")
OBJECT_TONES: dict[str, str] = {
    ObjectStatus.PENDING: "wait",
    ObjectStatus.SUCCEEDED: "good",
    ObjectStatus.FAILED: "bad",
    ObjectStatus.CANCELLED: "mute",
    ObjectStatus.EXPIRED: "warn",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawing from the sprite. It is decoration: words stand beside it or label its control."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("console/icons.svg"), name)


@register.simple_tag(takes_context=True)
def section(context: RequestContext, view: str, words: str, *, key: str, also: str = "", right: str = "") -> SafeString:
    """A link to a part of the console, marked on its pages and on those below `also`; `g` and `key` lead there.

    With a `right`, nothing for who has it in no project.
    """
    if right and not access_shown(context["request"]).may_somewhere(Right(right)):
        return SafeString("")
    address = reverse(view)
    inside = context["request"].path.startswith((address, reverse(also) if also else address))
    current = SafeString(' aria-current="page"') if inside else ""
    return format_html('<a href="{}" data-go="{}"{}>{}</a>', address, key, current, words)


@register.inclusion_tag("components/stops.html", takes_context=True)
def emergency_stops(context: RequestContext) -> dict[str, object]:
    """What is stopped at present of what concerns the reader; nothing on a page that is made without a request."""
    return told(context["request"]) if "request" in context else {}


@register.simple_tag(takes_context=True)
def only(context: RequestContext, name: str, value: str) -> str:
    """The list that one looks at, on its first page, narrowed to one value of a filter."""
    query = context["request"].GET.copy()
    for other in ("after", "before", "fragment", f"{name}!"):
        query.pop(other, None)
    query[name] = value
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def only_tag(context: RequestContext, key: str, value: object) -> str:
    """The same, for a pair of metadata."""
    return only(context, f"metadata.{key}", str(value))


@register.filter
def when(value: datetime | None) -> SafeString:
    """A time, relative to now; the exact one, with its zone, on demand."""
    if value is None:
        return NONE
    value = value.astimezone(timezone.get_current_timezone())
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        value.isoformat(timespec="seconds"),
        exact(value),
        _relative(value - timezone.now()),
    )


@register.filter
def at(value: datetime | None) -> SafeString:
    """A time, exactly, with its zone."""
    if value is None:
        return NONE
    value = value.astimezone(timezone.get_current_timezone())
    return format_html('<time datetime="{}">{}</time>', value.isoformat(timespec="milliseconds"), exact(value))


def exact(value: datetime) -> str:
    """`2025-01-31 16:05:09 UTC`."""
    return f"{value:%Y-%m-%d %H:%M:%S %Z}"


def _relative(distance: timedelta) -> str:
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


@register.filter
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


@register.filter
def between(start: datetime | None, end: datetime | None) -> str:
    """The time from one moment to the next."""
    return "—" if start is None or end is None else took(int((end - start).total_seconds() * 1000))


@register.filter
def number(value: float | None) -> str:
    """A whole number with its thousands apart."""
    return "—" if value is None else f"{int(value):,}"


@register.filter
def amount(value: Decimal) -> str:
    """Money, with as many digits as it takes; what costs something is never told as nothing."""
    if 0 < value < Decimal("0.0001"):
        return "<0.0001"
    return f"{value.quantize(Decimal('0.0001')) if value < 100 else value.quantize(Decimal('0.01')):,f}"


@register.filter
def share(part: int, total: int) -> str:
    """A part of a total in whole percent; nothing where there is no total."""
    return percent(part, total, ended=True) if total else ""


@register.filter
def size(count: int) -> str:
    """Bytes, in the unit that fits."""
    value = float(count)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


@register.filter
def visible(text: object) -> str:
    """Text of strangers: control characters and those that change its direction are named instead of obeyed."""
    return _TREACHEROUS.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", str(text))


@register.filter
def label(batch: Batch) -> str:
    """What people call a batch: its remark, else the name of its input file."""
    return visible(batch.remark or (batch.input_file.filename if batch.input_file else "") or "Untitled batch")


@register.filter
def public_id(row: Batch | File) -> str:
    """The id as the API shows it."""
    return identifiers.render("file-" if isinstance(row, File) else "batch_", row.pk)


@register.filter
def object_tone(status: str) -> str:
    """The tone of an object's status."""
    return OBJECT_TONES[status]
