"""Choices: the batches that a person chose for an act, either by their ids or by a filter."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from django.http import QueryDict

from batches.filters import BatchFilter
from batches.models import BulkOperation
from batches.models.batch import BatchQuerySet
from batches.rules import identifiers
from batches.rules.errors import InvalidRequest
from batches.services.core.access import Access

MOST_CHOSEN = 1000  # how many ids one call may have
QUERY_CHARS = BulkOperation._meta.get_field("query").max_length or 0
EVERYTHING = "view=all"  # the query that matches all batches


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen rows, and the `query` that chose them. The query is empty if the batches were chosen by their ids.

    `missing` is how many of the named batches do not exist, or may not be seen by the person.
    """

    rows: BatchQuerySet
    query: str = ""
    missing: int = 0

    def created_before(self, moment: datetime) -> "Choice":
        """The choice without batches that were created at this time or later."""
        return replace(self, rows=self.rows.filter(created_at__lt=moment))


def these(access: Access, ids: Collection[str]) -> Choice:
    """The batches with these ids, in any form. Raises InvalidRequest for no id, too many ids, or a text that is no id."""
    if not 1 <= len(ids) <= MOST_CHOSEN:
        raise InvalidRequest(f"Choose 1 to {MOST_CHOSEN:,} batches, or all that match a filter.", param="batches")
    keys = set()
    for text in ids:
        key = identifiers.parse(text)
        if key is None:
            raise InvalidRequest(f"{text[:100]!r} is not the id of a batch.", param="batches")
        keys.add(key)
    rows = access.batches().filter(pk__in=keys)
    return Choice(rows, missing=len(keys) - rows.count())


def matching(access: Access, query: str, *, now: datetime) -> Choice:
    """All batches that a query of the list of batches matches. Raises InvalidRequest for a query that is not understood."""
    query = query or EVERYTHING
    if len(query) > QUERY_CHARS:
        raise InvalidRequest(f"The filter is too long: it may have {QUERY_CHARS:,} characters.", param="query")
    chosen = BatchFilter.asked_by(access, QueryDict(query), now=now)
    if chosen.problems:
        raise InvalidRequest(" ".join(chosen.problems), param="query")
    rows = chosen.matching
    assert isinstance(rows, BatchQuerySet)
    return Choice(rows, query=query)
