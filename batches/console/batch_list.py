"""The list of batches: everything that it shows is in its address."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console import curl
from batches.console.access import SignedIn, requires
from batches.console.live import respond
from batches.console.paging import COUNT_CAP, BadPosition, Page, batches_page, capped_count
from batches.console.standing import Progress, Standing, progress, standing
from batches.filters import VIEWS, BatchFilter
from batches.models import Batch, load_counts
from batches.services.access import Right
from providers.base import OPENAI_ENDPOINTS

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A batch with the words that its row shows."""

    batch: Batch
    standing: Standing
    progress: Progress


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, in words, and the query without it."""

    label: str
    value: str
    without: str


@require_safe
@requires(Right.READ)
def home(_request: SignedIn) -> HttpResponseBase:
    """Where the console begins."""
    return redirect("console:batches")


@require_safe
@requires(Right.READ)
def batch_list(request: SignedIn) -> HttpResponseBase:
    """Batches that match the filters in the address, the newest first."""
    now = timezone.now()
    everything = request.access.batches().select_related("project", "provider", "input_file")
    chosen = BatchFilter(request.GET, queryset=everything, now=now, within=request.access.filter_within)
    problems = list(chosen.problems)
    try:
        page = batches_page(chosen.matching, older=request.GET.get("older"), newer=request.GET.get("newer"), size=PAGE_SIZE)
    except BadPosition as error:
        problems.append(str(error))
        page = Page([])
    load_counts(page.rows)
    rows = [Row(batch, standing(batch, now=now), progress(batch)) for batch in page.rows]
    context: dict[str, object] = {
        "rows": rows,
        "page": page,
        "problems": problems,
        "filter": chosen,
        "view": request.GET.get("view", ""),
        "views": [("", "All"), *VIEWS],
        "chips": [] if chosen.problems else list(_chips(chosen)),
        "count": _count(chosen, page, request.GET, problems),
        "live": any(not batch.is_terminal for batch in page.rows),
        "endpoints": sorted(OPENAI_ENDPOINTS),
        "curl": curl.create_first_batch(request),
        "any_batch": bool(rows) or request.access.batches().exists(),
        "may_act": request.access.may_somewhere(Right.ACT),
    }
    return respond(request, "console/batches.html", regions="console/batches_regions.html", context=context)


def _count(chosen: BatchFilter, page: Page[Batch], query: QueryDict, problems: list[str]) -> str:
    """How many match, in words; a single page needs no counting."""
    if problems:
        return "0"
    whole = not query.get("older") and not query.get("newer") and page.forward is None
    count = len(page.rows) if whole else capped_count(chosen.matching)
    return f"{COUNT_CAP:,}+" if count > COUNT_CAP else f"{count:,}"


def _chips(chosen: BatchFilter) -> Iterable[Chip]:
    for name, value in chosen.chosen.items():
        if name == "view":
            continue
        label = chosen.label(name)
        for single, given in zip(value if isinstance(value, list) else [value], chosen.data.getlist(name), strict=True):
            yield Chip(label, _words(chosen, name, single), _without(chosen.data, name, given))


def _words(chosen: BatchFilter, name: str, value: Any) -> str:
    if isinstance(value, Model):
        return str(value)
    choices = dict(chosen.filters[name].extra.get("choices", ())) if name in chosen.filters else {}
    return str(choices.get(value, value))


def _without(query: QueryDict, name: str, value: str) -> str:
    """The query with one value of one parameter taken out, on its first page."""
    rest = query.copy()
    for page in ("older", "newer"):
        rest.pop(page, None)
    rest.setlist(name, [other for other in rest.getlist(name) if other != value])
    return rest.urlencode()
