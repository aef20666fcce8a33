"""Saved views: their permanent addresses, and the pages for saving, changing and deleting them."""

from django.contrib import messages
from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from batches.console.kit.access import SignedIn, requires
from batches.console.kit.lists.list_query import in_words, tidied
from batches.console.pages.batches.view_tabs import kept
from batches.filters import BatchFilter
from batches.models import SavedView
from batches.rules.errors import InvalidRequest
from batches.services.core.access import Right
from batches.services.people.saved_views import (
    NAME_CHARS,
    ViewChoices,
    change_view,
    delete_view,
    own_view,
    replace_query,
    save_view,
    visible_views,
)


@require_safe
@requires(Right.READ)
def saved_views(request: SignedIn) -> HttpResponseBase:
    """All views that the person may open."""
    return render(request, "console/views.html", {"views": visible_views(request.access)})


@require_safe
@requires(Right.READ)
def saved_view(request: SignedIn, slug: str) -> HttpResponseBase:
    """Redirect to the list with the view's present query. The address of the view stays if its query changes."""
    view = visible_views(request.access).filter(slug=slug).first()
    if view is None:
        raise Http404
    query = QueryDict(view.query, mutable=True)
    query["saved"] = view.slug
    return redirect(f"{reverse('console:batches')}?{query.urlencode()}")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.READ)
def new_view(request: SignedIn) -> HttpResponseBase:
    """Ask for the name of a new view with the filters in the address. POST saves it."""
    query = tidied(request.GET)
    chosen, problems = _understood(request, query)
    if request.method == "POST" and not problems:
        try:
            view = save_view(request.access, _draft(request), query=kept(query), now=timezone.now())
        except InvalidRequest as error:
            problems = [error.message]
        else:
            messages.success(request, f"Saved as “{view.name}”.")
            return redirect("console:saved_view", view.slug)
    context = {**in_words(chosen), "back": f"?{query.urlencode()}", "problems": problems}
    return _form(request, context, draft=_draft(request) if request.method == "POST" else ViewChoices(""))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.READ)
def edit_view(request: SignedIn, slug: str) -> HttpResponseBase:
    """The name, readers and default of a person's own view. POST changes them, replaces its query, or deletes it."""
    view = own_view(request.access, slug)
    problems: list[str] = []
    if request.method == "POST":
        try:
            return _act(request, view)
        except InvalidRequest as error:
            problems = [error.message]
    chosen, _ = _understood(request, QueryDict(view.query))
    context = {**in_words(chosen), "view": view, "stale": chosen.problems, "problems": problems}
    return _form(request, context, draft=ViewChoices(view.name, view.is_shared, view.is_default))


def _act(request: SignedIn, view: SavedView) -> HttpResponseBase:
    now = timezone.now()
    act = request.POST.get("act", "change")
    if act == "delete":
        delete_view(view, by=request.access, now=now)
        messages.success(request, f"View “{view.name}” deleted.")
        return redirect("console:saved_views")
    if act == "replace":
        query = tidied(QueryDict(request.POST.get("query", "")))
        _, problems = _understood(request, query)
        if problems:
            raise InvalidRequest(problems[0])
        replace_query(view, kept(query), by=request.access, now=now)
    else:
        change_view(view, _draft(request), by=request.access, now=now)
    messages.success(request, f"View “{view.name}” changed.")
    return redirect("console:saved_view", view.slug)


def _understood(request: SignedIn, query: QueryDict) -> tuple[BatchFilter, list[str]]:
    chosen = BatchFilter.asked_by(request.access, query, now=timezone.now())
    return chosen, chosen.problems


def _draft(request: SignedIn) -> ViewChoices:
    post = request.POST
    return ViewChoices(post.get("name", ""), is_shared="is_shared" in post, is_default="is_default" in post)


def _form(request: SignedIn, context: dict[str, object], *, draft: ViewChoices) -> HttpResponseBase:
    status = 422 if context["problems"] else 200
    return render(request, "console/view_form.html", {**context, "draft": draft, "name_chars": NAME_CHARS}, status=status)
