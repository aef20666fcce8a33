"""Requests by their custom_id, by the provider's id of a call, and by the portal's own ids of requests and calls.

No index may have a column of BatchObject that settling changes, so ids of calls are searched in results and attempts. These
rows are written once. Migration 0016 says how they are indexed.
"""

import uuid
from collections.abc import Iterable, Sequence

from django.db.models import OuterRef, Q, QuerySet, Subquery

from batches.models import Attempt, Batch, BatchObject, BatchResult
from batches.rules.search_text import SearchText
from batches.services.search.batches_found import NAMED, newest
from batches.services.search.bounds import MOST_SAME, MOST_SAME_IDS, NEWEST, looked_through
from batches.services.search.found import Hit, HitKind, Reason, Section, section
from batches.services.search.scope import Scope

REQUEST_ID_CHARS = 200
Place = tuple[uuid.UUID, int]  # the id of a batch, and a line of it


def find_requests(scope: Scope, asked: SearchText, *, limit: int) -> Section:
    """At most eight queries."""
    hits: list[Hit] = []
    if asked.sent:
        hits += _at(scope, [(asked.sent.batch, asked.sent.line)], Reason.REQUEST_ID)
    if asked.id:
        hits += _by_id(scope, asked.id)
    places, bound = _named(scope, asked.text, limit=limit)
    hits += _at(scope, places, Reason.CUSTOM_ID)
    hits += _at(scope, _called(scope, asked.text, limit=limit), Reason.REQUEST_ID)
    return section(HitKind.REQUEST, hits, limit=limit, bound=bound)


def _by_id(scope: Scope, key: uuid.UUID) -> Iterable[Hit]:
    """The request with this id, as `batch_req_…` in result files has it."""
    found = BatchObject.objects.filter(pk=key).values_list("batch_id", "line")
    return _at(scope, list(found), Reason.ID)


def _named(scope: Scope, custom_id: str, *, limit: int) -> tuple[list[Place], str]:
    """Where this custom_id is, the newest batch first, and the sentence about what was not looked through.

    A rare custom_id is found by its index. A custom_id such as `row-1` may be in every batch of the portal. It is looked for
    in one batch after the other, the newest first. The sentence depends on the searcher's own batches alone.
    """
    everywhere = BatchObject.objects.filter(custom_id=custom_id).order_by()
    rows: list[Place] = list(everywhere.values_list("batch_id", "line")[: MOST_SAME + 1])
    if len(rows) <= MOST_SAME:
        lines = dict(rows)
        own = newest(scope.batches.filter(pk__in=list(lines))).values_list("pk", flat=True)[: limit + 1] if lines else ()
        return [(key, lines[key]) for key in own], ""
    line = BatchObject.objects.filter(batch=OuterRef("pk"), custom_id=custom_id).order_by().values("line")[:1]
    probed = newest(scope.batches).annotate(line_found=Subquery(line)).values_list("pk", "line_found")[:NEWEST]
    looked = list(probed)
    found = [(key, line) for key, line in looked if line is not None]
    return found[: limit + 1], looked_through(NEWEST, "batches") if len(looked) == NEWEST and len(found) <= limit else ""


def _called(scope: Scope, request_id: str, *, limit: int) -> list[Place]:
    """The requests of which a call had this id: in results and in attempts that another one followed."""
    if len(request_id) > REQUEST_ID_CHARS:
        return []
    places: list[Place] = []
    for calls in (BatchResult.objects, Attempt.objects):
        # SQLite uses its partial index only if the query repeats the index's condition.
        same: QuerySet[BatchResult | Attempt] = calls.filter(~Q(request_id=""), request_id=request_id).order_by()
        places += same.values_list("batch_id", "line")[:MOST_SAME_IDS]
    own = set(scope.batches.filter(pk__in={key for key, _ in places}).values_list("pk", flat=True)) if places else set()
    return [place for place in dict.fromkeys(places) if place[0] in own][: limit + 1]


def _at(scope: Scope, places: Sequence[Place], reason: Reason) -> Iterable[Hit]:
    """The requests at these places, in this order, as far as the searcher may find their batches."""
    if not places:
        return
    batches = {row.pk: row for row in scope.batches.filter(pk__in={key for key, _ in places}).select_related(*NAMED)}
    at = Q()
    for key, line in places:
        at |= Q(batch=key, line=line)
    rows = {(row.batch_id, row.line): row for row in BatchObject.objects.filter(at)}
    for key, line in places:
        row, batch = rows.get((key, line)), batches.get(key)
        if row is not None and isinstance(batch, Batch):
            row.batch = batch
            yield Hit(row, reason)
