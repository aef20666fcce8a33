"""From the list of batches to a comparison, and from a comparison to a file with every pair."""

import uuid

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.kit.exports import not_exported, reads_bodies
from batches.console.pages.acts.bulk_new import Asked
from batches.http.errors import InvalidValue
from batches.http.exports import export_answer, read_compression, read_word
from batches.http.parameters import allow_parameters
from batches.models import Batch
from batches.rules import identifiers
from batches.rules.errors import Gone, InvalidRequest
from batches.services.core.access import Right
from batches.services.exports.form import Form
from batches.services.exports.pairs_export import export_pairs


@require_POST
@requires(Right.READ)
def compare_ticked(request: SignedIn) -> HttpResponseBase:
    """Compare the two batches that are ticked in the list: the older one is the first."""
    ticked = {identifier for text in request.POST.getlist("batch") if (identifier := identifiers.parse(text))}
    if len(ticked) != 2:
        messages.error(request, f"Tick the two batches to compare: {len(ticked)} {'is' if len(ticked) == 1 else 'are'} ticked.")
        return redirect(Asked(request).back)
    found = list(request.access.batches().filter(pk__in=ticked).order_by("created_at", "pk"))
    if len(found) != 2:
        messages.error(request, "One of the two batches was deleted.")
        return redirect(Asked(request).back)
    first, second = found
    return redirect(f"{reverse('console:compare', args=[first.pk])}?with={second}")


@require_safe
@requires(Right.READ)
def export_compared(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """Every pair of two batches, with every answer compared for readers who may read answers."""
    first = find_batch(request, batch_id)
    try:
        allow_parameters(request.GET, "with", "format", "compression")
        second = _second(request, first)
        form, compression = read_word(request.GET, "format", default=Form.CSV), read_compression(request.GET)
        with_bodies = reads_bodies(request, first, second)
        return export_answer(export_pairs(first, second, form=form, compression=compression, with_bodies=with_bodies))
    except InvalidRequest as error:
        return not_exported(request, [error.message], back=reverse("console:compare", args=[first.pk]))
    except Gone:
        return render(request, "console/gone.html", {"batch": first}, status=410)


def _second(request: SignedIn, first: Batch) -> Batch:
    """The batch to compare with. Raises InvalidValue and NotFound."""
    identifier = identifiers.parse(request.GET.get("with", ""))
    if identifier is None or identifier == first.pk:
        raise InvalidValue("Invalid value for 'with': it must be the id of another batch.", param="with")
    return find_batch(request, identifier)
