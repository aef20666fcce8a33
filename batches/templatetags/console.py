"""How the console writes things: times, numbers, sizes, hostile text, icons."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from django import template
from django.conf import settings
from django.template import RequestContext
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.console.drawing.words import amount, between, exact, number, relative, took, visible
from batches.console.kit.stop_banner import access_shown, told
from batches.models import Batch, File
from batches.rules import identifiers
from batches.rules.display.shares import share_in_words, shares
from batches.rules.display.sizes import size
from batches.rules.states import ObjectStatus
from batches.services.core.access import Right

register = template.Library()
for words in (took, between, number, amount, size, visible):
    register.filter(words)

NONE = SafeString('<span class="none">—</span>')
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


@register.simple_tag
def version() -> str:
    """Which release of Batchyard this is."""
    return str(settings.VERSION)


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
        relative(value - timezone.now()),
    )


@register.filter
def running(start: datetime, now: datetime) -> SafeString:
    """The time since something began; the browser keeps it true."""
    return format_html('<time datetime="{}" data-running>{}</time>', start.isoformat(timespec="seconds"), between(start, now))


@register.filter
def at(value: datetime | None) -> SafeString:
    """A time, exactly, with its zone."""
    if value is None:
        return NONE
    value = value.astimezone(timezone.get_current_timezone())
    return format_html('<time datetime="{}">{}</time>', value.isoformat(timespec="milliseconds"), exact(value))


class Counted(Protocol):
    """A part of a whole."""

    @property
    def count(self) -> int: ...


@register.filter
def with_shares(parts: Sequence[Counted], total: int) -> list[tuple[Counted, str]]:
    """Parts of a total, each with its share in whole percent. The shares of all parts of a whole add up to 100."""
    counts = [part.count for part in parts]
    found = zip(parts, shares(counts, total=total), counts, strict=True)
    return [(part, share_in_words(share, part=count, total=total)) for part, share, count in found]


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
