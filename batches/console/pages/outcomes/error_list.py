"""The list of error groups over all batches that its reader sees, in a window of time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponseBase, QueryDict
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing.charts import Sparkline
from batches.console.kit.access import SignedIn, requires
from batches.console.kit.lists.list_query import chips, choices, with_changes
from batches.console.kit.lists.paging import BadPosition
from batches.console.kit.live import respond
from batches.filters import ErrorGroupFilter
from batches.models import ErrorGroup
from batches.services.core.access import Right
from batches.services.insight.error_groups import GROUP_WINDOWS, Group, GroupPosition, GroupWindow, counted, largest
from batches.services.insight.withheld import unquoting_group
from providers.failures import Source

PAGE_SIZE = 50
WORDS = {GroupWindow.DAY: "24 hours", GroupWindow.WEEK: "7 days", GroupWindow.MONTH: "30 days"}


class BadWindow(ValueError):
    """The address names an unknown window."""


class GroupQuery(ErrorGroupFilter):
    """The filters over error groups, together with the parameters of the page."""

    others = frozenset({"window", "after", "fragment"})


@dataclass(frozen=True, slots=True)
class Row:
    """A group with the drawing that its row shows."""

    group: Group
    spark: Sparkline

    @property
    def count(self) -> int:
        return self.group.count


@require_safe
@requires(Right.READ)
def error_list(request: SignedIn) -> HttpResponseBase:
    """The groups that match the filters in the address, the most frequent first. Muted groups are shown only on request."""
    now = timezone.now()
    found = Found(request, now=now)
    words = WORDS[found.window]
    muted = found.chosen.data.get("muted") == "yes"
    context: dict[str, object] = {
        "rows": [Row(group, Sparkline(group.trend, f"Failures in {words}", "bad")) for group in found.groups],
        "total": found.total,
        "since": found.window.starts(now=now),
        "words": words,
        "problems": found.problems,
        "filter": found.chosen,
        "chips": [] if found.problems else list(chips(found.chosen, tab="muted")),
        "tabs": list(window_tabs(request.GET, found.window)),
        "muted": muted,
        "window": request.GET.get("window", ""),
        "forward": found.forward,
        "deep": bool(request.GET.get("after")),
        "sources": [source.value for source in Source],
        **choices(request.access),
    }
    return respond(request, "console/errors.html", regions="console/errors_regions.html", context=context)


class Found:
    """The result for the address: a page of groups, or the problems because of which there is none."""

    def __init__(self, request: SignedIn, *, now: datetime) -> None:
        query = request.GET.copy()
        query.setdefault("muted", "no")
        right = Right.READ_BODIES if query.get("text") else Right.READ  # only text that may be read is searched
        self.chosen = GroupQuery(query, queryset=request.access.within(ErrorGroup.objects.all(), right=right), now=now)
        self.problems = list(self.chosen.problems)
        self.window, self.groups, self.total, self.forward = GroupWindow.DAY, list[Group](), 0, ""
        try:
            self.window = read_window(query)
            after = _read_position(query.get("after", ""))
        except (BadWindow, BadPosition) as error:
            self.problems.append(str(error))
        if self.problems:
            return
        redact = unquoting_group(request.access.readable)
        page = largest(self.chosen.matching, window=self.window, now=now, limit=PAGE_SIZE, redact=redact, after=after)
        self.groups, self.forward = page.groups, str(page.following or "")
        self.total = counted(self.chosen.matching, window=self.window, now=now)


def read_window(query: QueryDict) -> GroupWindow:
    """The window that the query names; a day if it names none. Raises BadWindow."""
    word = query.get("window") or GroupWindow.DAY.word
    if word not in GROUP_WINDOWS:
        raise BadWindow(f"There is no window “{word[:20]}”, only {', '.join(GROUP_WINDOWS)}.")
    return GROUP_WINDOWS[word]


def window_tabs(query: QueryDict, current: GroupWindow) -> Iterable[tuple[str, str, bool]]:
    """A tab for each window of time: its words, its address, and whether it is the current one."""
    for window in GroupWindow:
        other = with_changes(query, {"after": None, "fragment": None, "window": [window.word]})
        yield f"Last {WORDS[window]}", f"?{other.urlencode()}", window is current


def _read_position(text: str) -> GroupPosition | None:
    if not text:
        return None
    if (position := GroupPosition.read(text)) is None:
        raise BadPosition
    return position
