"""The list of batches. Its address holds all that it shows: filters, order, columns and page."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing import curl
from batches.console.drawing.batch_state import Badge, Progress, badge, progress
from batches.console.kit.access import SignedIn, requires
from batches.console.kit.lists.columns import COLUMNS, BadColumn, Column, read_columns
from batches.console.kit.lists.list_query import chips, choices, panel, question, tidied
from batches.console.kit.lists.paging import (
    SORTS,
    BadPosition,
    BadSort,
    KeysetPage,
    capped,
    capped_count,
    read_sort,
    sorted_page,
)
from batches.console.kit.lists.way_back import led_from_list
from batches.console.kit.live import respond, unchanged, wants_fragment
from batches.console.pages.batches.view_tabs import view_tabs
from batches.filters import CREATED, BatchFilter
from batches.models import Batch, BulkAct, load_counts
from batches.services.bulk.acts import VERBS
from batches.services.core.access import Right
from batches.services.people.saved_views import default_view
from batches.services.standing.look import states_of_batches
from providers.base import OPENAI_ENDPOINTS

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A batch with the words that its row shows."""

    batch: Batch
    standing: Badge
    progress: Progress


@require_safe
@requires(Right.READ)
def batch_list(request: SignedIn) -> HttpResponseBase:
    """Batches that match the filters in the address, the newest first."""
    if not wants_fragment(request) and (address := _better_address(request)):
        return redirect(address)
    now = timezone.now()
    found = Found(request, now=now)
    load_counts(found.page.rows)
    states = states_of_batches(found.page.rows, now=now)
    rows = [Row(batch, badge(states[batch.pk]), progress(batch)) for batch in found.page.rows]
    facts = [fact for row in rows for fact in (row.batch, row.batch.counts, row.standing)]
    if same := unchanged(request, [*facts, found.page.back, found.page.forward], now=now):
        return same
    context: dict[str, object] = {
        "rows": rows,
        "page": found.page,
        "problems": found.problems,
        "filter": found.chosen,
        "view": request.GET.get("view", "all"),
        "tabs": view_tabs(request),
        "chips": [] if found.chosen.problems else list(chips(found.chosen)),
        "count": found.count(),
        "open": sum(not row.batch.is_terminal for row in rows),
        "columns": found.columns,
        "led_from_list": led_from_list(request),
        "shown": {column.name for column in found.columns},
        "every_column": COLUMNS.values(),
        "sort": found.sort,
        "sorts": [way for sort in SORTS.values() for way in (sort, sort.flipped)],
        "question": question(request.GET).urlencode(),
        "endpoints": sorted(OPENAI_ENDPOINTS),
        "periods": CREATED,
        **panel(found.chosen),
        "curl": curl.create_first_batch(request),
        "list_curl": curl.list_batches(request, question(request.GET)),
        "any_batch": bool(rows) or request.access.batches().exists(),
        "acts": [(act.value, act.label.capitalize()) for act in sorted(BulkAct, key=lambda act: VERBS[act].destroys)],
        "may_act": request.access.may_somewhere(Right.ACT),
        **choices(request.access),
    }
    return respond(request, "console/batches.html", regions="console/batches_regions.html", context=context)


def _better_address(request: SignedIn) -> str | None:
    """A better address for the list, or None: the person's default view, or a tidier form of the same query."""
    if not request.GET and (default := default_view(request.access)):
        return reverse("console:saved_view", args=[default.slug])
    tidy = tidied(request.GET)
    return None if tidy == request.GET else f"{reverse('console:batches')}?{tidy.urlencode()}"


class Found:
    """The result for the address: a page of batches, or the problems because of which there is none."""

    def __init__(self, request: SignedIn, *, now: datetime) -> None:
        self.query: QueryDict = request.GET
        self.chosen = BatchFilter.asked_by(request.access, self.query, now=now)
        self.problems = list(self.chosen.problems)
        self.page: KeysetPage[Batch] = KeysetPage([])
        self.sort = SORTS["created"]
        self.columns: list[Column] = read_columns(QueryDict())
        try:
            self.sort = read_sort(self.query.get("sort", ""))
            self.columns = read_columns(self.query)
            after, before = self.query.get("after"), self.query.get("before")
            named = ("project", "provider", "input_file", "created_by_key")
            matching = self.chosen.matching.select_related(*named)
            self.page = sorted_page(matching, sort=self.sort, after=after, before=before, size=PAGE_SIZE)
        except (BadPosition, BadSort, BadColumn) as error:
            self.problems.append(str(error))

    def count(self) -> str:
        """The number of matches in words. A single page needs no query; matches that no index finds are not counted."""
        if self.problems:
            return "0"
        whole = not self.query.get("after") and not self.query.get("before") and self.page.forward is None
        if not whole and not self.chosen.can_be_counted:
            return f"more than {PAGE_SIZE}"
        return capped(len(self.page.rows) if whole else capped_count(self.chosen.matching))
