"""Batches by their id, a pair of their metadata, or words of their remark and metadata."""

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import F, QuerySet, Value

from batches.filters import HasPair
from batches.models import Batch
from batches.rules.search_text import SearchText, has_words, words_of
from batches.services.search.bounds import MOST_MATCHES, NEWEST, NEWEST_WITHOUT_INDEX, looked_through
from batches.services.search.found import Hit, HitKind, Reason, Section, section
from batches.services.search.scope import Scope
from batches.services.search.words import has_word_index, with_words

NAMED = ("project", "provider", "input_file")
_Texts = Callable[[str, dict[str, Any]], bool]


def newest(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """The batches in the order of the list."""
    return batches.order_by("-created_at", "-id")


def find_batches(scope: Scope, asked: SearchText, *, limit: int) -> Section:
    """At most four queries."""
    hits: list[Hit] = []
    named = scope.batches.select_related(*NAMED)
    if asked.ids:
        reason = Reason.ID if asked.id else Reason.ID_START
        hits += [Hit(batch, reason) for batch in named.filter(pk__range=asked.ids).order_by("-pk")[: limit + 1]]
    if asked.id or asked.sent:
        return section(HitKind.BATCH, hits, limit=limit)
    keys, bound = _keys(scope, asked, limit=limit)
    reason = Reason.METADATA if asked.pair else Reason.WORDS
    hits += [Hit(batch, reason) for batch in newest(named.filter(pk__in=keys))[: limit + 1]]
    return section(HitKind.BATCH, hits, limit=limit, bound=bound)


def _keys(scope: Scope, asked: SearchText, *, limit: int) -> tuple[list[uuid.UUID], str]:
    """The ids of batches with the pair or the words, and the sentence about what was not looked through."""
    words = words_of("\n".join(asked.pair)) if asked.pair else asked.words
    sought = list(dict.fromkeys(words))
    if not asked.pair and not sought:
        return [], ""
    window = NEWEST if has_word_index() and sought else NEWEST_WITHOUT_INDEX
    rows = list(newest(scope.batches).values_list("pk", "remark", "metadata")[:window])
    matches = _matches(asked)
    keys = [pk for pk, remark, metadata in rows if matches(remark, metadata or {})]
    if len(keys) > limit or len(rows) < window:
        return keys[: limit + 1], ""
    if not has_word_index() or not sought:
        return keys, looked_through(window, "batches")
    found = with_words(scope.batches, Batch, projects=scope.projects, words=sought).order_by()
    if asked.pair:
        found = found.filter(HasPair(F("metadata"), Value(asked.pair[0]), Value(asked.pair[1])))
    indexed = list(found.values_list("pk", flat=True)[: MOST_MATCHES + 1])
    cut = f"More than {MOST_MATCHES:,} batches match. Add a word to see the newest." if len(indexed) > MOST_MATCHES else ""
    return [*keys, *indexed], cut


def _matches(asked: SearchText) -> _Texts:
    """The function that compares a remark and metadata."""
    if asked.pair is not None:
        key, value = asked.pair
        return lambda _remark, metadata: metadata.get(key) == value
    return lambda remark, metadata: has_words("\n".join([remark, *_flat(metadata)]), asked.words)


def _flat(metadata: dict[str, Any]) -> Iterable[str]:
    for key, value in metadata.items():
        yield from (key, str(value))
