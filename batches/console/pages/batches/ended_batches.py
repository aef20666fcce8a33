"""Announcements for a script that watches batches: those among the batches in the address that have ended."""

from django.core.exceptions import BadRequest
from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing.batch_state import badge
from batches.console.kit.access import SignedIn, requires
from batches.models import load_counts
from batches.rules import identifiers
from batches.services.core.access import Right
from batches.services.standing.look import states_of_batches

MOST_WATCHED = 100


@require_safe
@requires(Right.READ)
def ended_batches(request: SignedIn) -> HttpResponseBase:
    """A note for each of these batches that has ended. Batches that run, or that the reader may not see, have none."""
    found = [identifiers.parse(text) for text in request.GET.getlist("batch")]
    named = {key for key in found if key is not None}
    if set(request.GET) - {"batch"} or None in found or len(named) > MOST_WATCHED:
        raise BadRequest(f"This address takes only the ids of up to {MOST_WATCHED} batches, as 'batch'.")
    ended = list(request.access.batches().filter(pk__in=named, ended_at__isnull=False).select_related("input_file"))
    load_counts(ended)
    states = states_of_batches(ended, now=timezone.now())
    rows = [(batch, badge(states[batch.pk])) for batch in ended]
    return render(request, "console/ended_batches.html", {"rows": rows})
