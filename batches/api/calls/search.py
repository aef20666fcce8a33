"""Search over everything that the caller may read."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.access import KeyCaller
from batches.api.fields.names import listed
from batches.api.fields.search import KINDS, ShownFound, ShownHit
from batches.api.view import DEFAULT_LIMIT, NativeView
from batches.http.errors import InvalidValue, MissingParameter
from batches.http.paging import query_number
from batches.models import Batch, BatchObject
from batches.rules.search_text import LONGEST
from batches.services.core.access import Right
from batches.services.search.found import FileFound, Found
from batches.services.search.scope import Scope, scope_of_key, scope_of_person
from batches.services.search.search import MOST_HITS, search

QUERY = OpenApiParameter(
    "q",
    {"type": "string", "minLength": 1, "maxLength": LONGEST},
    required=True,
    description="An id in any spelling, or its first 8 digits or more; a `custom_id`; a request id of a provider or of the"
    " portal; `key=value` of metadata; words of a remark, metadata or an error; a part of the name of a provider or model.",
)
KIND = OpenApiParameter("kind", str, enum=KINDS, description="Only things of this kind.")
LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MOST_HITS, "default": DEFAULT_LIMIT},
    description="How many things of each kind the answer may have.",
)


class Search(NativeView):
    """/search"""

    tag = "Search"
    thing = "search"
    requires = {"list": Right.READ}  # noqa: RUF012 - read only

    @extend_schema(operation_id="search", summary="Search", parameters=[QUERY, KIND, LIMIT], responses=ShownFound)
    def list(self, request: Request) -> Response:
        """Whatever one text names, with the reason of each match. Bodies are never searched.

        Everything is bounded: `more` names the kinds of which there is more, and `notes` says what was not looked through.
        """
        self.allow_parameters("q", "kind", "limit")
        query = request.query_params
        if "q" not in query:
            raise MissingParameter("Missing required parameter: 'q'.", param="q")
        kind = query.get("kind")
        if kind is not None and kind not in KINDS:
            raise InvalidValue(f"Invalid value for 'kind': it must be one of {', '.join(KINDS)}.", param="kind")
        limit = query_number(query, "limit", minimum=1, maximum=MOST_HITS, default=DEFAULT_LIMIT)
        found = search(query["q"], self._scope(), limit=limit, kind=kind)
        self.caller.note_use(_batches(found))
        return Response(_answer(found))

    def _scope(self) -> Scope:
        now = timezone.now()
        if isinstance(self.caller, KeyCaller):
            return scope_of_key(self.caller.key, now=now)
        return scope_of_person(self.caller.access, now=now)


def _batches(found: Found) -> Iterable[Batch]:
    """The batches whose ids the answer has."""
    for section in found.sections:
        for hit in section.hits:
            match hit.row:
                case Batch() as batch:
                    yield batch
                case BatchObject(batch=batch) | FileFound(batch=Batch() as batch):
                    yield batch


def _answer(found: Found) -> dict[str, Any]:
    bounds = [f"{section.kind.heading}: {section.bound}" for section in found.sections if section.bound]
    return {
        "data": listed(ShownHit, [hit for section in found.sections for hit in section.hits]),
        "more": [section.kind.word for section in found.sections if section.more],
        "notes": [*found.notes, *bounds],
    }
