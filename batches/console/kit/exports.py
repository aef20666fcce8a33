"""What all exports of the console share: who gets bodies, and the page about an export that was refused."""

from collections.abc import Sequence

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from batches.console.kit.access import SignedIn, act_of
from batches.models import Batch
from batches.services.core.access import Right


def reads_bodies(request: SignedIn, *batches: Batch) -> bool:
    """Whether the reader may read bodies of all these batches. If so, the look at each is recorded like any other."""
    if not all(request.access.may(Right.READ_BODIES, batch.project_id) for batch in batches):
        return False
    for batch in batches:
        request.access.require(Right.READ_BODIES, batch.project, act=act_of(request), now=timezone.now(), target=batch)
    return True


def not_exported(request: SignedIn, problems: Sequence[str], *, back: str) -> HttpResponse:
    """The page that says why nothing was exported. `back` is the address of the page without the parameters."""
    return render(request, "console/not_exported.html", {"problems": problems, "back": back}, status=400)


def batch_address(batch: Batch) -> str:
    """The address of the page of a batch."""
    return reverse("console:batch", args=[batch.pk])
