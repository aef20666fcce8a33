"""The page of one object: its request, its answer, and every attempt in between."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import Http404, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing import curl
from batches.console.drawing.pretty import indent
from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.kit.lists.list_query import chips
from batches.console.kit.lists.way_back import around, list_query
from batches.console.pages.acts.retry_batch import retriable
from batches.filters import BatchObjectFilter
from batches.models import Batch, BatchError, BatchObject, BatchResult
from batches.rules.errors import Gone
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core.access import Right
from batches.services.results.attempts import load_attempts, tries
from batches.services.results.results import request_body, result_of
from batches.services.retry.elsewhere import elsewhere
from batches.services.retry.lineage import lineage

SHOWN_CHARS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document: its text, or the beginning of it. `total` is the number of characters of the whole document."""

    which: str
    text: str
    total: int

    @property
    def is_cut(self) -> bool:
        return len(self.text) < self.total


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer, or the reason why there is none."""

    body: str
    why_none: str = "There was no answer."


@dataclass(frozen=True, slots=True)
class Relative:
    """The same request in another batch of the lineage, and the relation of that batch to this one."""

    object: BatchObject
    is_parent: bool
    is_child: bool


class Around(BatchObjectFilter):
    """The filter that the reader came from. It chooses the requests before and behind this one."""

    others = BatchObjectFilter.others | {"round", "full"}


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
    beside = Around(request.GET, queryset=objects, now=timezone.now())
    load_attempts(batch, [found])
    round_ = _round(request.GET.get("round", ""), found)
    answer = _result(found) if round_ == found.round else _earlier(found, round_)
    sent, gone = _request(batch, line)
    taken_up = elsewhere([found], among=request.access.batches()).get(found.pk)
    may_retry = request.access.may(Right.ACT, batch.project) and found.status in retriable(batch) and taken_up is None
    address = batch.provider.base_url if request.access.everywhere else ""
    context = {
        "batch": batch,
        "object": found,
        "request_document": _document("request", sent, whole) if sent else None,
        "gone": gone,
        "response_document": _document("response", answer.body, whole) if answer.body else None,
        "why_none": answer.why_none,
        "round": round_,
        "rounds": list(_rounds(request, found, shown=round_)),
        "errors": BatchError.objects.filter(batch=batch, line=line, round=round_),
        "elsewhere": taken_up,
        "relatives": list(_relatives(request, found)),
        "may_retry": may_retry and (batch.is_terminal or batch.status == BatchStatus.IN_PROGRESS),
        "may_edit": may_retry and batch.is_terminal and sent,
        "tries": tries(batch, line),
        "previous": beside.matching.filter(line__lt=line).order_by("-line").values_list("line", flat=True).first(),
        "next": beside.matching.filter(line__gt=line).order_by("line").values_list("line", flat=True).first(),
        "beside": [] if beside.problems else list(chips(beside)),
        "problems": beside.problems,
        "around": around(request),
        "list_query": list_query(request),
        "curl": curl.send_object(batch, sent, address=address) if sent else "",
    }
    return render(request, "console/object.html", context)


def _rounds(request: SignedIn, batch_object: BatchObject, *, shown: int) -> Iterable[tuple[str, str, bool]]:
    """The tabs of the rounds. Their addresses keep the filter."""
    beside = around(request).removeprefix("?")
    for number in range(1, batch_object.round + 1):
        yield f"Round {number}", f"?{beside}{'&' if beside else ''}round={number}", number == shown


def _request(batch: Batch, line: int) -> tuple[str, str]:
    """The request's body as its client wrote it, or the reason why it cannot be shown; the other text is empty."""
    try:
        return request_body(batch, line).decode(), ""
    except Gone as gone:
        return "", gone.message


def _round(text: str, batch_object: BatchObject) -> int:
    """The round that the address names; the latest if it names none."""
    if not text:
        return batch_object.round
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= batch_object.round):
        raise Http404("The request has no such round.")
    return int(text)


def _result(batch_object: BatchObject) -> Answer:
    """The answer of the object's latest round."""
    if batch_object.status == ObjectStatus.PENDING:
        return Answer("", "None yet.")
    if why := batch_object.batch.why_never_ran(batch_object.status):
        return Answer("", why[1])
    try:
        return Answer(result_of(batch_object).body)
    except Gone as gone:
        return Answer("", gone.message)


def _earlier(batch_object: BatchObject, round_: int) -> Answer:
    """The answer of a round before the latest."""
    found = BatchResult.objects.filter(batch=batch_object.batch, line=batch_object.line, round=round_).first()
    return Answer("", "The answers of earlier rounds are no longer kept.") if found is None else Answer(found.body)


def _relatives(request: SignedIn, batch_object: BatchObject) -> Iterable[Relative]:
    """The same object in the other batches of its lineage, the oldest first."""
    batch = batch_object.batch
    members = {member.pk: member for member in lineage(batch, among=request.access.batches().select_related("input_file"))}
    others = [key for key in members if key != batch.pk]
    if others:
        same = BatchObject.objects.filter(batch__in=others, custom_id=batch_object.custom_id)
        for found in same.order_by("batch"):
            found.batch = members[found.batch_id]
            yield Relative(found, is_parent=found.batch_id == batch.parent_id, is_child=found.batch.parent_id == batch.pk)


def _document(which: str, text: str, whole: set[str]) -> Document:
    readable = indent(text)
    return Document(which, readable if which in whole else readable[:SHOWN_CHARS], len(readable))
