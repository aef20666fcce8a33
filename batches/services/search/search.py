"""search: everything that one text may mean, in one answer. Each kind of thing has its own bounded question."""

from collections.abc import Callable
from functools import partial

from batches.rules.errors import InvalidRequest
from batches.rules.search_text import LONGEST, MOST_WORDS, SearchText, read_search
from batches.services.search.batches_found import find_batches
from batches.services.search.bounds import bounded
from batches.services.search.found import Found, HitKind, Section
from batches.services.search.others_found import (
    find_error_groups,
    find_files,
    find_models,
    find_operations,
    find_providers,
)
from batches.services.search.requests_found import find_requests
from batches.services.search.scope import Scope

MOST_HITS = 50  # of each kind
Find = Callable[..., Section]

FINDERS: dict[HitKind, Find] = {
    HitKind.REQUEST: find_requests,
    HitKind.BATCH: find_batches,
    HitKind.FILE: find_files,
    HitKind.OPERATION: find_operations,
    HitKind.PROVIDER: find_providers,
    HitKind.MODEL: find_models,
    HitKind.ERROR_GROUP: find_error_groups,
}


class BadSearch(InvalidRequest):
    """This text cannot be searched for."""

    code = "invalid_search"


def search(text: str, scope: Scope, *, limit: int, kind: str | None = None) -> Found:
    """What the text finds in the scope: at most `limit` things of each kind, or of one kind. Raises BadSearch."""
    asked = _understood(text)
    finders = {each: find for each, find in FINDERS.items() if kind in (None, each.word)}
    sections = [bounded(each, partial(find, scope, asked, limit=limit)) for each, find in finders.items()]
    return Found([each for each in sections if each.hits or each.bound], notes=_notes(asked))


def _understood(text: str) -> SearchText:
    asked = read_search(text)
    if not asked.text:
        raise BadSearch("There is nothing to search for.", param="q")
    if "\0" in asked.text:
        raise BadSearch("A search cannot have a NUL character.", param="q")
    if len(asked.text) > LONGEST:
        raise BadSearch(f"A search may have {LONGEST} characters; this one has {len(asked.text):,}.", param="q")
    return asked


def _notes(asked: SearchText) -> list[str]:
    if not asked.left_out:
        return []
    rest = len(asked.left_out)
    return [f"Remarks and errors were searched for the first {MOST_WORDS} words; {rest} further words were left out."]
