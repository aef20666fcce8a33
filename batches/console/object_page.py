"""The page of one object: its request, its answer, and every attempt in between."""

import uuid
from dataclasses import dataclass

import msgspec
from django.http import Http404, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from batches import jsonl
from batches.attempts import tries
from batches.console import curl
from batches.console.access import SignedIn, find_batch, requires
from batches.console.pretty import indent
from batches.errors import Gone
from batches.models import Batch, BatchError, BatchObject
from batches.results import ANSWERED, ObjectResult, request_lines, result_of
from batches.services.access import Right
from batches.states import NEVER_RAN, ObjectStatus

SHOWN_CHARS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document to show: its text, or the start of it. `total` counts characters of the whole."""

    which: str
    text: str
    total: int

    @property
    def is_cut(self) -> bool:
        return len(self.text) < self.total


@require_safe
@requires(Right.READ_BODIES)
def object_page(request: SignedIn, batch_id: uuid.UUID, line: int) -> HttpResponseBase:
    """One object of a batch, by the number of its line."""
    batch = find_batch(request, batch_id)
    objects = BatchObject.objects.filter(batch=batch)
    found = objects.filter(line=line).first()
    if found is None:
        raise Http404("The batch has no such line.")
    whole = set(request.GET.getlist("full"))
    found.batch = batch
    current, lost = _result(found)
    sent, gone = _request(batch, line)
    context = {
        "batch": batch,
        "object": found,
        "request_document": _document("request", sent, whole) if sent else None,
        "gone": gone,
        "response_document": _document("response", current.body, whole) if current and current.body else None,
        "result": current,
        "lost": lost,
        "never_ran": NEVER_RAN.get(ObjectStatus(found.status)),
        "errors": BatchError.objects.filter(batch=batch, line=line, round=found.round),
        "tries": tries(batch, line),
        "previous": objects.filter(line__lt=line).order_by("-line").values_list("line", flat=True).first(),
        "next": objects.filter(line__gt=line).order_by("line").values_list("line", flat=True).first(),
        "curl": curl.send_object(batch, sent) if sent else "",
    }
    return render(request, "console/object.html", context)


def _request(batch: Batch, line: int) -> tuple[str, str]:
    """The request's body as its client wrote it, or why it cannot be shown."""
    try:
        content = request_lines(batch, first_line=line, last_line=line)[line]
        return bytes(jsonl.read_request(content).body).decode(), ""
    except Gone as gone:
        return "", gone.message
    except (KeyError, msgspec.DecodeError):
        return "", "The input file does not hold this line any more."


def _result(batch_object: BatchObject) -> tuple[ObjectResult | None, str]:
    """What came of it, or why that cannot be shown. Neither, as long as there is nothing or when it never ran."""
    if batch_object.status not in ANSWERED:
        return None, ""
    try:
        return result_of(batch_object), ""
    except Gone as gone:
        return None, gone.message


def _document(which: str, text: str, whole: set[str]) -> Document:
    readable = indent(text)
    return Document(which, readable if which in whole else readable[:SHOWN_CHARS], len(readable))
