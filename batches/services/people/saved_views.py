"""saved_views: save a filter of the list of batches under a name; change, share and delete it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.text import slugify

from batches.models import SavedView
from batches.rules.errors import InvalidRequest, NotFound
from batches.services.core.access import Access
from batches.services.core.audit import changed, record_act, stored

NAME_CHARS = 100
QUERY_CHARS = 2000
SLUG_CHARS = 100  # short enough that a number can follow
TAKEN = frozenset({"new"})  # slugs that are addresses of the console


@dataclass(frozen=True, slots=True)
class ViewChoices:
    """The name of a view, its readers, and whether it is the person's default."""

    name: str
    is_shared: bool = False
    is_default: bool = False


def visible_views(access: Access) -> QuerySet[SavedView]:
    """The person's own views, and shared views of people in the same projects or of administrators of the portal."""
    views = SavedView.objects.select_related("owner")
    if access.roles is None:
        return views.filter(Q(owner=access.user) | Q(is_shared=True))
    colleagues = Q(owner__is_superuser=True) | Q(owner__memberships__project__in=list(access.roles))
    return views.filter(Q(owner=access.user) | Q(is_shared=True) & colleagues).distinct()


def own_view(access: Access, slug: str) -> SavedView:
    """The person's own view with this slug. Raises NotFound for the view of another person, shared or not."""
    view = SavedView.objects.filter(owner=access.user, slug=slug).first()
    if view is None:
        raise NotFound
    return view


def default_view(access: Access) -> SavedView | None:
    """The view that the person's list of batches opens with, if they chose one."""
    return SavedView.objects.filter(owner=access.user, is_default=True).first()


def save_view(access: Access, draft: ViewChoices, *, query: str, now: datetime) -> SavedView:
    """Save a new view of the person. The caller must have checked the query. Raises InvalidRequest."""
    name = _name(draft)
    _require_short(query)
    for slug in _slugs(name):
        try:
            with transaction.atomic():
                _make_room(access, draft)
                view = SavedView.objects.create(
                    owner=access.user, name=name, slug=slug, query=query, is_shared=draft.is_shared, is_default=draft.is_default
                )
                record_act("save_view", actor=access.actor, now=now, target=view, changes=changed(None, view))
                return view
        except IntegrityError:
            if not SavedView.objects.filter(slug=slug).exists():
                raise
    raise AssertionError("unreachable")


@transaction.atomic
def change_view(view: SavedView, draft: ViewChoices, *, by: Access, now: datetime) -> None:
    """Change the name or readers of a view. Its address stays. Raises InvalidRequest, and NotFound for others' views."""
    _require_own(view, by)
    before = stored(view)
    view.name = _name(draft)
    _make_room(by, draft)
    view.is_shared, view.is_default = draft.is_shared, draft.is_default
    view.save(update_fields=["name", "is_shared", "is_default", "updated_at"])
    record_act("change_view", actor=by.actor, now=now, target=view, changes=changed(before, view))


@transaction.atomic
def replace_query(view: SavedView, query: str, *, by: Access, now: datetime) -> None:
    """Change the query of a view. Raises InvalidRequest, and NotFound for others' views."""
    _require_own(view, by)
    _require_short(query)
    before, view.query = stored(view), query
    view.save(update_fields=["query", "updated_at"])
    record_act("replace_view", actor=by.actor, now=now, target=view, changes=changed(before, view))


@transaction.atomic
def delete_view(view: SavedView, *, by: Access, now: datetime) -> None:
    """Delete a view. Raises NotFound for others' views."""
    _require_own(view, by)
    record_act("delete_view", actor=by.actor, now=now, target=view, changes=changed(view, None))
    view.delete()


def _require_own(view: SavedView, access: Access) -> None:
    if view.owner_id != access.user.pk:
        raise NotFound


def _name(draft: ViewChoices) -> str:
    name = draft.name.strip()
    if not name or not name.isprintable() or len(name) > NAME_CHARS:
        raise InvalidRequest(f"A view's name is 1 to {NAME_CHARS} printable characters.", param="name")
    return name


def _require_short(query: str) -> None:
    if len(query) > QUERY_CHARS:
        raise InvalidRequest(f"The filters are too long to be kept: {len(query):,} characters of {QUERY_CHARS:,}.", param="query")


def _make_room(access: Access, draft: ViewChoices) -> None:
    """Unset the default of the person's other views if this view becomes the default: a person has at most one."""
    if draft.is_default:
        User.objects.select_for_update(no_key=True).get(pk=access.user.pk)  # two calls must not both set a default
        SavedView.objects.filter(owner=access.user, is_default=True).update(is_default=False)


def _slugs(name: str) -> Iterator[str]:
    first = slugify(name)[:SLUG_CHARS].strip("-") or "view"
    if first not in TAKEN:
        yield first
    yield from (f"{first}-{number}" for number in count(2))
