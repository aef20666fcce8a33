"""Comparing two batches: regressed and fixed requests, answers that match, and the differences of two answers."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.http import Http404, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from batches.console.drawing.count_tiles import Tile
from batches.console.drawing.diff import difference
from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.kit.download_menu import in_each_format
from batches.console.kit.exports import reads_bodies
from batches.console.kit.lists.list_query import with_changes
from batches.console.pages.outcomes.compare_runs import sides
from batches.models import Batch, BatchObject
from batches.rules import identifiers
from batches.rules.answer_match import first_difference
from batches.rules.errors import Gone, NotFound
from batches.services.core.access import Access, Right
from batches.services.results.compare import DIFFERENCES, BadPlace, Pair, Verdict, compare, pairs
from batches.services.results.compare_answers import Compared, Match, compared_on_page, match_rate, pairs_with_match
from batches.services.results.results import result_of

PAGE_SIZE = 50
MOST_OFFERED = 5  # the most batches of each kind that are offered
LOOKED_THROUGH = 200  # the newest batches of the project that are searched for the same metadata
_MATCHES = (Match.SAME.value, Match.DIFFERS.value)
TONES = {
    Verdict.REGRESSED: "bad",
    Verdict.FIXED: "good",
    Verdict.BOTH_FAILED: "warn",
    Verdict.ONLY_FIRST: "mute",
    Verdict.ONLY_SECOND: "mute",
    Verdict.OPEN: "wait",
    Verdict.BOTH_FINE: "good",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A pair, the address of its page, the tone of its verdict, and the comparison of its answers if there was one."""

    pair: Pair
    url: str
    tone: str
    compared: Compared | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A batch to compare with, and the reason for the offer."""

    batch: Batch
    why: str


@require_safe
@requires(Right.READ)
def compare_batches(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """Two batches side by side. Without a second batch in the address, some batches are offered."""
    first = find_batch(request, batch_id)
    asked = request.GET.get("with", "").strip()
    if not asked:
        return _choose(request, first)
    second, problem = _second(request, first, asked)
    if second is None:
        return _choose(request, first, problem=problem, status=404)
    with_bodies = reads_bodies(request, first, second)
    context: dict[str, object] = {
        "batch": first,
        "second": second,
        "sides": sides(first, second),
        "problems": [],
        "without_bodies": not with_bodies,
        "downloads": [in_each_format("Every pair", reverse("console:export_pairs", args=[first.pk]), {"with": str(second)})],
    }
    try:
        context |= _compared(request.GET, first, second, with_bodies=with_bodies)
    except (BadPlace, BadVerdict) as error:
        context["problems"] = [str(error)]
    return render(request, "console/compare.html", context)


class BadVerdict(ValueError):
    """The address names an unknown verdict or match, or a match that the reader may not see."""


def _compared(query: QueryDict, first: Batch, second: Batch, *, with_bodies: bool) -> dict[str, object]:
    words, match = query.getlist("verdict"), query.get("answers", "")
    if not set(words) <= set(Verdict.values):
        raise BadVerdict("The address names an unknown verdict.")
    if match and not (match in _MATCHES and with_bodies):
        raise BadVerdict("The address filters by answers in a way that this page cannot.")
    chosen = {Verdict(word) for word in words}
    counts = compare(first, second)
    tiles = [_tile(verdict, count, query, is_chosen=verdict in chosen) for verdict, count in counts.items() if count]
    context: dict[str, object] = {
        "tiles": tiles,
        "chosen": bool(chosen or match),
        "alike": counts[Verdict.BOTH_FINE],
        "rate": match_rate(first, second, fine=counts[Verdict.BOTH_FINE]) if with_bodies else None,
        "match": match,
    }
    if match:
        found, after, looked = pairs_with_match(first, second, Match(match), after=query.get("after", ""), limit=PAGE_SIZE)
        return {**context, "rows": [_row(first, second, *each) for each in found], "after": after, "looked": looked}
    wanted = [verdict for verdict in chosen or DIFFERENCES if counts[verdict]]
    shown, after = pairs(first, second, verdicts=wanted, after=query.get("after", ""), limit=PAGE_SIZE)
    answers = _answers_of(first, second, shown) if with_bodies else {}
    return {**context, "rows": [_row(first, second, pair, answers.get(pair.custom_id)) for pair in shown], "after": after}


def _answers_of(first: Batch, second: Batch, shown: list[Pair]) -> dict[str, Compared]:
    """The comparison of the answers that the page shows; none if they are no longer kept."""
    try:
        return compared_on_page(first, second, shown)
    except Gone:
        return {}


def _row(first: Batch, second: Batch, pair: Pair, compared: Compared | None) -> Row:
    return Row(pair, _object_url(first, second, pair), TONES[pair.verdict], compared)


def _tile(verdict: Verdict, count: int, query: QueryDict, *, is_chosen: bool) -> Tile:
    """The tile of a verdict. Its link shows the pairs with this verdict; a chosen tile leads back to all that differ."""
    changed = with_changes(query, {"after": None, "answers": None, "verdict": None if is_chosen else [verdict.value]})
    return Tile(verdict.label, count, TONES[verdict], f"?{changed.urlencode()}", is_chosen, verdict.sentence)


def _second(request: SignedIn, first: Batch, asked: str) -> tuple[Batch | None, str]:
    """The batch to compare with, or the reason why there is none."""
    identifier = identifiers.parse(asked)
    if identifier == first.pk:
        return None, "A batch cannot be compared with itself."
    try:
        return (find_batch(request, identifier), "") if identifier else (None, "This is not the id of a batch.")
    except NotFound:
        return None, "There is no batch with this id."


def _choose(request: SignedIn, first: Batch, *, problem: str = "", status: int = 200) -> HttpResponseBase:
    related = list(_offers(first, request.access))
    context = {
        "batch": first,
        "asked": request.GET.get("with", "").strip()[:100],
        "problem": problem,
        "offers": related or list(_recent(first, request.access)),
        "is_related": bool(related),
    }
    return render(request, "console/compare_choose.html", context, status=status)


def _recent(batch: Batch, access: Access) -> Iterator[Offer]:
    """The newest other batches of the same project."""
    named = access.batches().select_related("input_file", "provider").filter(project=batch.project_id).exclude(pk=batch.pk)
    return (Offer(other, "Recent") for other in named[:MOST_OFFERED])


def _offers(batch: Batch, access: Access) -> Iterator[Offer]:
    """Batches with the same requests, each once. The closest relatives come first."""
    named = access.batches().select_related("input_file", "provider").exclude(pk=batch.pk)
    seen: set[uuid.UUID] = set()
    kinds = (
        ("Its parent", named.filter(pk=batch.parent_id) if batch.parent_id else ()),
        ("A retry of it", named.filter(parent=batch)[:MOST_OFFERED]),
        ("The same input file", named.filter(input_file=batch.input_file_id)[:MOST_OFFERED] if batch.input_file_id else ()),
        ("The same metadata", named.filter(pk__in=_of_same_metadata(batch)) if batch.metadata else ()),
    )
    for why, found in kinds:
        for other in found:
            if other.pk not in seen:
                seen.add(other.pk)
                yield Offer(other, why)


def _of_same_metadata(batch: Batch) -> list[uuid.UUID]:
    """Those of the project's newest batches that have exactly the same metadata."""
    newest = Batch.objects.filter(project=batch.project_id).exclude(pk=batch.pk).values_list("pk", "metadata")[:LOOKED_THROUGH]
    return [key for key, metadata in newest if metadata == batch.metadata][:MOST_OFFERED]


def _object_url(first: Batch, second: Batch, pair: Pair) -> str:
    named = {"with": str(second), "custom_id": pair.custom_id}
    return f"{reverse('console:compare_objects', args=[first.pk])}?{urlencode(named)}"


@require_safe
@requires(Right.READ_BODIES)
def compare_objects(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """The two answers to one custom_id, with their differences. If only one batch has the object, only its answer is shown."""
    first = find_batch(request, batch_id)
    if "with" not in request.GET:
        return redirect("console:compare", first.pk)
    other, custom_id = identifiers.parse(request.GET.get("with", "").strip()), request.GET.get("custom_id", "")
    if other is None or other == first.pk or "\x00" in custom_id:
        raise Http404("The address does not name another batch and a custom_id.")
    second = find_batch(request, other)
    objects = [_named(batch, custom_id) for batch in (first, second)]
    if objects == [None, None]:
        raise Http404("Neither batch has a request with this custom_id.")
    answers = [_answer(found) for found in objects]
    context = {
        "batch": first,
        "second": second,
        "custom_id": custom_id,
        "sides": list(zip(("First", "Second"), (first, second), objects, strict=True)),
        "difference": difference(*answers),
        "both": None not in objects,
        "same_but_aside": answers[0] != answers[1] and first_difference(*answers) is None,
    }
    return render(request, "console/compare_objects.html", context)


def _named(batch: Batch, custom_id: str) -> BatchObject | None:
    found = BatchObject.objects.filter(batch=batch, custom_id=custom_id).first()
    if found:
        found.batch = batch
    return found


def _answer(found: BatchObject | None) -> str:
    """The answer of an object; empty if the batch does not have the object."""
    if found is None:
        return ""
    try:
        result = result_of(found)
    except Gone as gone:
        return gone.message
    return result.body or result.error_message or found.get_status_display()
