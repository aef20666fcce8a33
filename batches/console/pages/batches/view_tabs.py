"""The tabs above the list of batches: the built-in views, and those that people saved."""

from dataclasses import dataclass

from django.http import QueryDict
from django.urls import reverse

from batches.console.kit.access import SignedIn
from batches.console.kit.lists.list_query import LOOK, POSITION, question
from batches.filters import VIEWS
from batches.models import SavedView
from batches.services.people.saved_views import visible_views

MOST_TABS = 30  # the most tabs of saved views; the page of views has all of them


@dataclass(frozen=True, slots=True)
class ViewTab:
    """The tab of a view: its link, whether it is current, and whether its filters were changed after it was opened."""

    label: str
    address: str
    is_current: bool = False
    is_modified: bool = False
    saved: SavedView | None = None
    is_own: bool = False


def view_tabs(request: SignedIn) -> list[ViewTab]:
    """The tabs. A built-in view keeps the filters that are set; a saved view replaces them by its own."""
    opened = request.GET.get("saved", "")
    current = request.GET.get("view", "all")
    tabs = [ViewTab(label, _in_view(request.GET, value), is_current=not opened and value == current) for value, label in VIEWS]
    saved = visible_views(request.access)[:MOST_TABS]
    return [*tabs, *(_tab(view, request, is_current=view.slug == opened) for view in saved)]


def _tab(view: SavedView, request: SignedIn, *, is_current: bool) -> ViewTab:
    return ViewTab(
        view.name,
        reverse("console:saved_view", args=[view.slug]),
        is_current=is_current,
        is_modified=is_current and not is_as_saved(view, request.GET),
        saved=view,
        is_own=view.owner_id == request.access.user.pk,
    )


def kept(query: QueryDict) -> str:
    """The part of the list's query that a saved view keeps: filters, order and columns."""
    rest = question(query)
    for name in LOOK:
        if name != "saved" and query.get(name):
            rest.setlist(name, query.getlist(name))
    return rest.urlencode()


def is_as_saved(view: SavedView, query: QueryDict) -> bool:
    """Whether the query equals the view's, in any order of its parameters."""
    return _sets(QueryDict(kept(query))) == _sets(QueryDict(view.query))


def _sets(query: QueryDict) -> dict[str, set[str]]:
    return {name: set(query.getlist(name)) for name in query}


def _in_view(query: QueryDict, view: str) -> str:
    rest = query.copy()
    for name in (*POSITION, "saved"):
        rest.pop(name, None)
    rest["view"] = view
    return f"?{rest.urlencode()}"
