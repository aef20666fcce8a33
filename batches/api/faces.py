"""Where else a batch can be seen: its address in every dialect that can show it, and in the console."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from django.http import HttpRequest
from django.urls import reverse

from batches import identifiers
from batches.models import Batch
from providers.base import ACCOUNTING_ENDPOINTS, ANTHROPIC_ENDPOINTS


@dataclass(frozen=True, slots=True)
class Face:
    """One dialect: where it shows a batch, and which batches it can show."""

    path: Callable[[Batch], str]
    shows: Callable[[Batch], bool] = lambda _: True


FACES = {
    "openai": Face(lambda batch: f"/v1/batches/{batch}"),
    "anthropic": Face(
        lambda batch: f"/v1/messages/batches/{identifiers.render('msgbatch_', batch.id)}",
        lambda batch: batch.endpoint in ANTHROPIC_ENDPOINTS,
    ),
    "bifrost": Face(lambda batch: f"/bifrost/v1/batches/{batch}?provider={quote(batch.provider.name)}"),
    "novita": Face(lambda batch: f"/openai/v1/batches/{batch}"),
    "merge": Face(
        lambda batch: f"/api{batch.endpoint}/bulk/{batch.id}",
        lambda batch: batch.endpoint in ACCOUNTING_ENDPOINTS,
    ),
    "console": Face(lambda batch: reverse("console:batch", args=[batch.id])),
}
INSIDE = ("objects", "results", "errors", "error-groups", "events", "lineage")


def batch_links(batch: Batch, request: HttpRequest) -> dict[str, str | None]:
    """Absolute addresses by name: itself, what is inside it, and its faces; null for a face that cannot show it."""
    itself = request.build_absolute_uri(f"/api/v1/batches/{batch}")
    links: dict[str, str | None] = {"self": itself}
    links |= {name.replace("-", "_"): f"{itself}/{name}" for name in INSIDE}
    parent = batch.parent_id and identifiers.render("batch_", batch.parent_id)
    links["parent"] = request.build_absolute_uri(f"/api/v1/batches/{parent}") if parent else None
    for name, face in FACES.items():
        links[name] = request.build_absolute_uri(face.path(batch)) if face.shows(batch) else None
    return links
