"""The addresses of a batch: in every dialect that can show it, and in the console."""

from django.http import HttpRequest
from django.urls import reverse

from batches.dialects.shared.faces import faces
from batches.models import Batch, Dialect
from batches.rules import identifiers

INSIDE = ("objects", "results", "errors", "error-groups", "events", "lineage", "provider_jobs")


def batch_links(batch: Batch, request: HttpRequest) -> dict[str, str | None]:
    """Absolute addresses by name: the batch, its contents, and its faces; None for a dialect that cannot show it."""
    itself = request.build_absolute_uri(f"/api/v1/batches/{batch}")
    links: dict[str, str | None] = {"self": itself}
    links |= {name.replace("-", "_"): f"{itself}/{name}" for name in INSIDE}
    parent = batch.parent_id and identifiers.render("batch_", batch.parent_id)
    links["parent"] = request.build_absolute_uri(f"/api/v1/batches/{parent}") if parent else None
    for face in faces():
        if face.dialect != Dialect.NATIVE:
            links[face.dialect.value] = None if face.cannot(batch) else request.build_absolute_uri(face.path(batch))
    links["console"] = request.build_absolute_uri(reverse("console:batch", args=[batch.id]))
    return links
