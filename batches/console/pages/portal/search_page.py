"""The page of the search, and the answer for the palette. A search that names exactly one thing leads straight to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, requires
from batches.console.kit.live import respond, wants_fragment
from batches.models import Batch, BatchObject, BulkOperation, ErrorGroup
from batches.rules.search_text import LONGEST, read_search
from batches.services.core.access import Access, Right
from batches.services.search.found import FileFound, Found, Hit, HitKind, ModelFound, Section
from batches.services.search.scope import scope_of_person
from batches.services.search.search import BadSearch, search
from providers.models import Provider

SHOWN = 10  # hits of each kind on the page
IN_PALETTE = 4
PARAMETERS = frozenset({"q", "fragment"})


@dataclass(frozen=True, slots=True)
class ShownHit:
    """A hit and the address of its page; the address is empty if the reader can open no page about it."""

    hit: Hit
    address: str


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A section and its hits. `all_address` is a list that has all of them; empty if there is no such list."""

    section: Section
    hits: list[ShownHit]
    all_address: str


@require_safe
@requires(Right.READ)
def search_page(request: SignedIn) -> HttpResponseBase:
    """Everything that the text in the address finds."""
    text = request.GET.get("q", "").strip()
    in_palette = wants_fragment(request)
    problems = [f"The search has no parameter “{name}”." for name in request.GET if name not in PARAMETERS]
    found = Found()
    if text and not problems:
        try:
            scope = scope_of_person(request.access, now=timezone.now())
            found = search(text, scope, limit=IN_PALETTE if in_palette else SHOWN)
        except BadSearch as error:
            problems.append(error.message)
    if not in_palette and found.only_one and (address := address_of(found.only_one, request.access)):
        return redirect(address)
    context: dict[str, object] = {
        "text": text,
        "longest": LONGEST,
        "problems": problems,
        "sections": list(_shown(found, text, request.access)),
        "notes": found.notes,
        "total": found.total,
    }
    return respond(request, "console/search.html", regions="console/search_regions.html", context=context)


def _shown(found: Found, text: str, access: Access) -> Iterable[ShownSection]:
    for section in found.sections:
        hits = [ShownHit(hit, address_of(hit, access)) for hit in section.hits]
        yield ShownSection(section, hits, _all_address(section, text) if section.more else "")


def address_of(hit: Hit, access: Access) -> str:
    """The address of the page about a hit. A reader who may not read bodies gets the row of a request, not its page."""
    match hit.row:
        case BatchObject() as row:
            if access.may(Right.READ_BODIES, row.batch.project_id):
                return reverse("console:object", args=[row.batch_id, row.line])
            return f"{reverse('console:batch', args=[row.batch_id])}?{urlencode({'custom_id': row.custom_id})}#objects"
        case Batch() as row:
            return reverse("console:batch", args=[row.pk])
        case FileFound(file=file, batch=batch):
            if batch is not None:
                return reverse("console:batch", args=[batch.pk])
            is_open = file.is_draft and access.may(Right.ACT, file.project_id)
            return reverse("console:check_input", args=[file.pk]) if is_open else ""
        case BulkOperation() as row:
            return reverse("console:bulk_operation", args=[row.pk])
        case Provider() as row:
            return reverse("console:provider", args=[row.name])
        case ModelFound(name=name):
            return f"{reverse('console:batches')}?{urlencode({'model': name})}"
        case ErrorGroup() as row:
            return reverse("console:error_group", args=[row.fingerprint])


def _all_address(section: Section, text: str) -> str:
    """A list of all hits of a section."""
    batches = reverse("console:batches")
    if section.kind is HitKind.REQUEST:
        return f"{batches}?{urlencode({'custom_id': text})}"
    if section.kind is HitKind.ERROR_GROUP:
        return f"{reverse('console:errors')}?{urlencode({'text': text, 'window': '30d'})}"
    if section.kind is not HitKind.BATCH:
        return ""
    pair = read_search(text).pair
    return f"{batches}?{urlencode({f'metadata.{pair[0]}': pair[1]} if pair else {'text': text})}"
